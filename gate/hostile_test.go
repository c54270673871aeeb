package gate_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// hostile are mails that are built to be costly or to have two readings.
func hostile() map[string]string {
	const nest = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	again := "the word heron"
	for range 8 {
		again = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(again))
	}
	page := "Content-Type: text/html; charset=utf-8\r\n\r\n"
	return map[string]string{
		"10,000 levels":         strings.Repeat(nest, 10_000),
		"100,000 parts":         nest + strings.Repeat("\r\nx\r\n--b\r\n", 100_000) + "--b--\r\n",
		"base64 of base64":      again,
		"1 GB declared":         "Content-Length: 1073741824\r\nLines: 99999999\r\n\r\nheron\r\n",
		"two Content-Types":     "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<p>heron\r\n",
		"base64 that is broken": "Content-Transfer-Encoding: base64\r\n\r\naGVyb24=!!!a=GVyb24\xff=====\r\n",
		"quoted-printable that is broken": "Content-Transfer-Encoding: quoted-printable\r\n\r\nheron=\r\n=ZZ=f=\r\n" +
			"=\r\n",
		"a charset that is none":   "Content-Type: text/plain; charset=\"x-unheard; of\"\r\n\r\nher\xc3\xb8n\r\n",
		"an encoding that is none": "Content-Transfer-Encoding: base128\r\n\r\nheron\r\n",
		"names": nest + "Content-Disposition: attachment; filename=\"../../x\"\r\n\r\n1\r\n--b\r\n" +
			"Content-Disposition: attachment; filename=CON\r\n\r\n2\r\n--b\r\n" +
			"Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEfdp.exe%00\r\n\r\n3\r\n--b--\r\n",
		"tables":   page + strings.Repeat("<table><tr><td>", 50_000),
		"comments": page + strings.Repeat("<!--", 100_000) + "heron",
		"a style":  page + "<style>" + strings.Repeat("a,", 200_000) + "{display:none}</style>heron",
	}
}

// What a stranger built to cost or to deceive is neither lost nor refused: the mailbox has every
// octet of it, it can be read within the bounds of every mail, and the door goes on.
func TestAHostileMailIsKeptWholeAndReadWithinBounds(t *testing.T) {
	h := build(t)
	for name, text := range hostile() {
		d := brought(h.Box.String())
		d.Raw = []byte("From: ada@dest.test\r\nSubject: " + name + "\r\nMIME-Version: 1.0\r\n" + text)
		list, err := h.Gate.Receive(h.ctx, d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := h.Mail(list[0].ID)
		raw, err := h.Queue.Raw(h.ctx, m.ID)
		if err != nil || m.State != mail.Received || m.Header.Subject != name || !bytes.Equal(raw, d.Raw) {
			t.Errorf("%s: %s %q, %d octets of %d, %v", name, m.State, m.Header.Subject, len(raw), len(d.Raw), err)
		}
		r := message.NewReading(raw, message.ReadingLimits{Text: 1 << 20})
		for _, a := range r.Attachments {
			if message.SafeFileName(a.Name) != a.Name || strings.ContainsAny(a.Name, "/\\\x00\u202e") ||
				strings.EqualFold(a.Name, "CON") {
				t.Errorf("%s: an attachment is called %q", name, a.Name)
			}
		}
		if len(r.Text) > 1<<20 || len(r.Attachments) > 1000 || name == "names" && len(r.Attachments) != 3 {
			t.Errorf("%s: %d octets of text, %d attachments", name, len(r.Text), len(r.Attachments))
		}
	}
	h.Intact()
}
