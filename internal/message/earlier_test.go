package message_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// composed is a draft as the gate stores it.
func composed(t *testing.T, d message.Draft) []byte {
	t.Helper()
	raw, err := message.Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	read, err := message.Read(raw, message.ReadOptions{Now: time.Unix(1e9, 0), Host: "a.example"})
	if err != nil {
		t.Fatal(err)
	}
	return read.Raw
}

func TestADraftKeepsWhatItDoesNotChangeOfTheEarlierMessageToTheOctet(t *testing.T) {
	bot, ada := mail.MustAddress("bot@a.example"), mail.MustAddress("ada@b.example")
	file := message.Attachment{Name: "zahlen «1».csv", Type: "text/csv; charset=latin1", Data: []byte("a;b\r\n\xe4")}
	for name, files := range map[string][]message.Attachment{"no file": nil, "two files": {file, {Data: []byte("x")}}} {
		t.Run(name, func(t *testing.T) {
			d := message.Draft{From: bot, To: []mail.Address{ada}, Subject: "Grüße \u202e=?x?=",
				Markdown:  "Hello *you*\n\n-- \nme",
				InReplyTo: "<1@b.example>", References: "<0@b.example> <1@b.example>", Attachments: files}
			raw := composed(t, d)
			e, err := message.ReadEarlier(raw)
			if err != nil || e.Subject != d.Subject || len(e.Files) != len(files) || e.Header.InReplyTo != "1@b.example" {
				t.Fatalf("%+v, %v", e, err)
			}
			same := d
			same.Markdown, same.Attachments, same.Body = "not read", nil, e.Body
			if again := composed(t, same); !bytes.Equal(tail(again), tail(raw)) {
				t.Errorf("the body is\n%s\nand was\n%s", again, raw)
			}
			other := d
			other.Markdown, other.Attachments, other.Files = "Something else", nil, e.Files
			fresh := d
			fresh.Markdown = "Something else"
			if got, want := composed(t, other), composed(t, fresh); !bytes.Equal(tail(got), tail(want)) {
				t.Errorf("the files are\n%s\nand were\n%s", got, want)
			}
		})
	}
}

// tail is a message from its MIME fields on.
func tail(raw []byte) []byte { return raw[bytes.Index(raw, []byte("\r\nContent-Type:")):] }

func TestOnlyWhatComposeWroteIsCut(t *testing.T) {
	for name, raw := range map[string]string{
		"no MIME":     "From: a@b.example\r\n\r\nhello\r\n",
		"one part":    "Content-Type: text/plain\r\n\r\nhello\r\n",
		"related":     "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
		"not ended":   "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n",
		"a preamble":  "Content-Type: multipart/mixed; boundary=b\r\n\r\nhi\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
		"no file":     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"no boundary": "Content-Type: multipart/alternative\r\n\r\n",
	} {
		if e, err := message.ReadEarlier([]byte(raw)); err == nil {
			t.Errorf("%s: %+v", name, e)
		} else if !strings.HasPrefix(err.Error(), "message: ") {
			t.Error(err)
		}
	}
}
