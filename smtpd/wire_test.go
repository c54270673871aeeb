package smtpd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fed is a wire whose other end writes text and stays open.
func fed(t testing.TB, text string) *wire {
	t.Helper()
	a, b := net.Pipe()
	go func() { _, _ = io.WriteString(b, text) }()
	t.Cleanup(func() { a.Close(); b.Close() })
	return newWire(a)
}

func TestDataEndsAtCRLFDotCRLFAlone(t *testing.T) {
	long := strings.Repeat("x", 998)
	for _, c := range []struct {
		name, in, want string
		err            error
	}{
		{"nothing", ".\r\n", "", nil},
		{"a line", "a\r\n.\r\n", "a\r\n", nil},
		{"stuffed dots", "..\r\n...\r\n.a\r\n.\r\n", ".\r\n..\r\na\r\n", nil},
		{"the longest line", long + "\r\n.\r\n", long + "\r\n", nil},
		{"the longest line behind a stuffed dot", "." + "." + long[1:] + "\r\n.\r\n", "." + long[1:] + "\r\n", nil},
		{"one octet more", long + "x\r\n.\r\n", "", errDataLong},
		{"more than the buffer holds", strings.Repeat("x", 3*bufferSize) + "\r\n.\r\n", "", errDataLong},
		{"CRLF on the edge of the buffer", strings.Repeat("x", bufferSize-1) + "\r\n.\r\n", "", errDataLong},
		{"bare LF", "a\nb\r\n.\r\n", "", errDataEnd},
		{"bare CR", "a\rb\r\n.\r\n", "", errDataEnd},
		{"CR before CRLF", "a\r\r\n.\r\n", "", errDataEnd},
		{"NUL", "a\x00\r\n.\r\n", "", errDataEnd},
		{"a dot after a bare LF does not end it", "a\n.\r\nb\r\n.\r\n", "", errDataEnd},
		{"a dot before a bare LF does not end it", "a\r\n.\nb\r\n.\r\n", "", errDataEnd},
		{"a dot between CRs does not end it", "a\r\n.\rb\r\n.\r\n", "", errDataEnd},
		{"too large", strings.Repeat(strings.Repeat("x", 98)+"\r\n", 11) + ".\r\n", "", errDataSize},
		{"just as large as allowed", strings.Repeat(strings.Repeat("x", 98)+"\r\n", 10) + ".\r\n",
			strings.Repeat(strings.Repeat("x", 98)+"\r\n", 10), nil},
		{"a bad end in the discarded part of a large message", strings.Repeat(strings.Repeat("x", 98)+"\r\n", 11) +
			".\nx\r\n.\r\n", "", errDataSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := fed(t, c.in+"NOOP\r\n")
			got, err := w.data(1000, nil, time.Minute, time.Hour)
			if !errors.Is(err, c.err) || err == nil && string(got) != c.want {
				t.Errorf("%q, %v; want %q, %v", got, err, c.want, c.err)
			}
			if next, err := w.line(maxCommand, time.Minute); next != "NOOP" || err != nil {
				t.Errorf("the next command is %q, %v", next, err)
			}
		})
	}
}

// An endless line must not grow the memory, and a truncated message is an
// error of reading.
func TestAMessageWithoutEndIsAnErrorAndIsNotKept(t *testing.T) {
	a, b := net.Pipe()
	w := newWire(a)
	go func() {
		block := bytes.Repeat([]byte("x"), 1<<16)
		for range 1024 { // 64 MiB
			if _, err := b.Write(block); err != nil {
				return
			}
		}
		b.Close()
	}()
	before := allocated()
	msg, err := w.data(1000, nil, time.Minute, time.Hour)
	if err == nil || errors.Is(err, errDataLong) || msg != nil {
		t.Errorf("%d octets, %v", len(msg), err)
	}
	if grown := allocated() - before; grown > 16<<20 {
		t.Errorf("%d octets were allocated for 64 MiB without an end", grown)
	}
}

func TestLinesEndWithCRLFAlone(t *testing.T) {
	for _, c := range []struct {
		in  string
		err error
	}{
		{"NOOP\n", errLineEnd}, {"NO\rOP\r\n", errLineEnd}, {"NO\x00OP\r\n", errLineEnd}, {"NOOP\r\r\n", errLineEnd},
		{strings.Repeat("x", 2047) + "\r\n", errLineLong}, {strings.Repeat("x", 5*bufferSize) + "\r\n", errLineLong},
		{strings.Repeat("x", 2046) + "\r\n", nil}, {"NOOP\r\n", nil},
	} {
		w := fed(t, c.in+"QUIT\r\n")
		if _, err := w.line(maxCommand, time.Minute); !errors.Is(err, c.err) {
			t.Errorf("%.20q: %v, want %v", c.in, err, c.err)
		}
		if next, err := w.line(maxCommand, time.Minute); next != "QUIT" || err != nil {
			t.Errorf("%.20q: then %q, %v", c.in, next, err)
		}
	}
}

// What came before a handshake is not read after it.
func TestAnotherConnectionStartsEmpty(t *testing.T) {
	w := fed(t, "NOOP\r\nRSET\r\n")
	if _, err := w.line(maxCommand, time.Minute); err != nil || !w.pending() {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	go func() { _, _ = io.WriteString(b, "QUIT\r\n") }()
	w.swap(a)
	if next, err := w.line(maxCommand, time.Minute); next != "QUIT" || err != nil {
		t.Errorf("%q, %v", next, err)
	}
}

func TestSlowClientsGetAReplyAndAreDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			script []string
			after  time.Duration
		}{
			{"no command", nil, 2 * time.Minute},
			{"half a command", []string{"NO"}, 2 * time.Minute},
		} {
			srv, _ := build(t, options())
			a, b := net.Pipe()
			conn := newConn(srv, a, false)
			ended := make(chan struct{})
			go func() { conn.serve(); close(ended) }()
			p := &peer{t: t, c: b, r: newPeer(t, b).r}
			_ = b.SetDeadline(time.Time{})
			p.expect("220")
			for _, s := range c.script {
				p.send(s)
			}
			start := time.Now()
			p.expect("421 4.4.2")
			if d := time.Since(start); d != c.after {
				t.Errorf("%s: left after %s, want %s", c.name, d, c.after)
			}
			b.Close()
			<-ended
		}
	})
}

// A slow sender keeps each block in time but not the whole message.
func TestAMessageInSmallPiecesEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		w := newWire(a)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := io.WriteString(b, "x\r\n"); err != nil {
					return
				}
				time.Sleep(2 * time.Minute)
			}
		}()
		start := time.Now()
		_, err := w.data(1000, nil, 3*time.Minute, 30*time.Minute)
		var late net.Error
		if !errors.As(err, &late) || !late.Timeout() || time.Since(start) != 30*time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		a.Close()
		<-done
	})
}
