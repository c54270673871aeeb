package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-message"

	"github.com/multimail/multimail/mail"
)

// nested is a message of n multiparts, one in another.
func nested(n int) []byte {
	var b, ends strings.Builder
	b.WriteString("Message-ID: <1@a.test>\r\nDate: x\r\nFrom: bot@a.test\r\n")
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d.\r\n\r\n--b%d.\r\n", i, i)
	}
	b.WriteString("\r\nx\r\n")
	for i := range n {
		fmt.Fprintf(&ends, "--b%d.--\r\n", n-1-i)
	}
	return []byte(b.String() + ends.String())
}

// wide is a message of one multipart with n parts.
func wide(n int) []byte {
	return mailWith("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", n) + "--b--\n")
}

// The limits stand before anything whose cost is not linear.
func TestReadCapsDepthAndNumberOfParts(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  []byte
		say  string
	}{
		{"50 levels", nested(50), ""},
		{"51 levels", nested(51), "nested more than 50"},
		{"10000 levels", nested(10000), "nested more than 50"},
		{"999 parts and their container", wide(999), ""},
		{"1000 parts and their container", wide(1000), "more than 1000"},
		{"100000 parts", wide(100000), "more than 1000"},
		{"messages in messages", mailWith(strings.Repeat("Content-Type: message/rfc822\n\n", 51) + "\nx\n"),
			"nested more than 50"},
		{"a deep message in base64", mailWith("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" +
			wrap64(nested(60))), "nested more than 50"},
	} {
		_, err := Read(tt.raw, readOptions)
		var e *mail.Error
		if (err == nil) != (tt.say == "") || err != nil && (!errors.As(err, &e) || !strings.Contains(e.Public, tt.say)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		r := NewReview(tt.raw)
		flagged := false
		for _, p := range r.Parts {
			flagged = flagged || !p.Reviewable
		}
		if flagged != (tt.say != "") {
			t.Errorf("%s: the review shows a limit %v", tt.name, flagged)
		}
	}
}

func wrap64(data []byte) string {
	s := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s + "\n"
}

func TestReadCountsAttachmentsAsReadersOfferThem(t *testing.T) {
	part := func(mime string) string { return "--b\n" + mime + "\n\nx\n" }
	for _, tt := range []struct {
		name, parts string
		want        int
	}{
		{"text and page", part("Content-Type: text/plain") + part("Content-Type: text/html"), 0},
		{"a file", part("Content-Type: application/pdf"), 1},
		{"an inline picture", part("Content-Type: image/png\nContent-Disposition: inline"), 1},
		{"text offered as a file", part("Content-Disposition: ATTACHMENT"), 1},
		{"inline text with a name", part("Content-Disposition: inline; filename=a.txt"), 1},
		{"an attached message with a file in it counts once", part("Content-Type: message/rfc822\n\n" +
			"Content-Type: application/pdf"), 1},
	} {
		m, err := Read(mailWith("Content-Type: multipart/mixed; boundary=b\n\n"+tt.parts+"--b--\n"), readOptions)
		if err != nil || m.Header.Attachments != tt.want {
			t.Errorf("%s: %+v %v, want %d", tt.name, m, err, tt.want)
		}
	}
	m, err := Read(mailWith("Content-Type: application/pdf\n\nx\n"), readOptions)
	if err != nil || m.Header.Attachments != 1 {
		t.Errorf("a file alone: %+v %v", m, err)
	}
}

func TestSplitPartsFollowsTheGrammar(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"two parts", "--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\n", `["\r\n1" "\r\n2"]`},
		{"blanks after the boundary", "--b \t\r\n\r\n1\r\n--b-- \r\n", `["\r\n1"]`},
		{"empty parts", "--b\r\n--b\r\n\r\n--b--", `["" ""]`},
		{"boundary in the middle of a line", "--b\r\n\r\na --b\r\n--b--\r\n", `["\r\na --b"]`},
		{"longer boundary is content", "--b\r\n\r\n--bc\r\n--b--\r\n", `["\r\n--bc"]`},
		{"nothing after the end", "--b\r\n\r\n1\r\n--b--\r\n--b\r\n\r\n2\r\n", `["\r\n1"]`},
		{"no end", "--b\r\n\r\n1\r\n", `["\r\n1\r\n"]`},
		{"no boundary", "1\r\n", `[]`},
	} {
		parts, _, _ := splitParts([]byte(tt.body), "b")
		if got := fmt.Sprintf("%q", parts); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Another implementation must cut sound mail in the same places.
func TestTreeEqualsTheOneOfGoMessage(t *testing.T) {
	for _, path := range samples(t) {
		raw := sample(t, path)
		if strings.Contains(path, "opaque") || strings.Contains(path, "attached") {
			continue // holds what go-message refuses, or opens no messages
		}
		var theirs []string
		e, err := message.Read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		err = e.Walk(func(_ []int, e *message.Entity, err error) error {
			if kind, _, _ := e.Header.ContentType(); err == nil && !strings.HasPrefix(kind, "multipart/") {
				body, err := io.ReadAll(e.Body)
				theirs = append(theirs, fmt.Sprintf("%s %q", kind, body))
				return err
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var ours []string
		root, _ := parseMIME(raw, newBudget(len(raw)))
		eachLeaf(root, func(e *entity) {
			data, _ := decodeTransfer(e.encoding, e.body)
			ours = append(ours, fmt.Sprintf("%s %q", e.kind, data))
		})
		if strings.Join(ours, "\n") != strings.Join(theirs, "\n") {
			t.Errorf("%s:\nours   %q\ntheirs %q", path, ours, theirs)
		}
	}
}

func eachLeaf(e *entity, f func(*entity)) {
	if len(e.parts) == 0 {
		f(e)
	}
	for _, p := range e.parts {
		eachLeaf(p, f)
	}
}
