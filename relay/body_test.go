package relay

import (
	"bufio"
	"bytes"
	"io"
	"net/textproto"
	"strings"
	"testing"
)

// FuzzBody compares our dot stuffing with that of net/textproto, which is right
// for canonical bytes; what is not canonical must not be sent.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", ".", "\r\n", ".\r\n", "..\r\n.\r\n", "a\r\n.b\r\n", "a\n", "a\r",
		"\r\r\n", "a\r\n\r\n.\r\n", "a\r\n\n.\r\n"} {
		f.Add([]byte("P: 1\r\n"), []byte(s))
		f.Add([]byte(nil), []byte(s))
	}
	f.Fuzz(func(t *testing.T, prefix, raw []byte) {
		c, fail := readContent(prefix, raw)
		whole := string(prefix) + string(raw)
		// Another definition of canonical.
		rest := strings.ReplaceAll(whole, "\r\n", "")
		ended := func(b []byte) bool { return len(b) == 0 || bytes.HasSuffix(b, []byte("\r\n")) }
		sound := whole != "" && ended(prefix) && ended(raw) && !strings.ContainsAny(rest, "\r\n")
		if sound != (fail == nil) {
			t.Fatalf("canonical: %v, want %v", fail == nil, sound)
		}
		if fail != nil {
			return
		}
		var got, want bytes.Buffer
		if err := c.writeTo(&got); err != nil {
			t.Fatal(err)
		}
		got.WriteString(finalDot)
		w := textproto.NewWriter(bufio.NewWriter(&want)).DotWriter()
		io.WriteString(w, whole)
		w.Close()
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("got %q, want %q", got.Bytes(), want.Bytes())
		}
	})
}

func TestAWriterOfDotsThatWroteNothingWritesFinalDot(t *testing.T) {
	// content.writeTo relies on this.
	var b bytes.Buffer
	textproto.NewWriter(bufio.NewWriter(&b)).DotWriter().Close()
	if b.String() != finalDot {
		t.Errorf("got %q", b.String())
	}
}

func TestABodyThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, raw := range []string{"x\r\n", ".x\r\n", "x\r\n.x\r\n"} {
		c, _ := readContent(nil, []byte(raw))
		for n := range len(raw) - 2 {
			if err := c.writeTo(&short{n}); err != io.ErrShortWrite {
				t.Errorf("%q at %d: %v", raw, n, err)
			}
		}
	}
}

// short takes n octets and no more.
type short struct{ n int }

func (s *short) Write(b []byte) (int, error) {
	if len(b) > s.n {
		return s.n, io.ErrShortWrite
	}
	s.n -= len(b)
	return len(b), nil
}
