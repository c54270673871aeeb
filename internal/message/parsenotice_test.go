package message_test

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

func TestANoticeSaysWhatItIsAboutInItsOwnHeader(t *testing.T) {
	const id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	const a, b = "X-MultiMail-About: " + id + "\r\n", "X-MultiMail-Action: failed\r\n"
	for _, c := range []struct {
		name, raw string
		action    string // "" when it is refused
	}{
		{"both fields", a + b + "\r\nHello", "failed"},
		{"the other way round, among others", "Subject: x\r\n" + b + "To: y\r\n" + a + "\r\n", "failed"},
		{"names in another case", strings.ToUpper(a[:17]) + a[17:] + "x-multimail-action: expired\r\n\r\n", "expired"},
		{"values that are folded", "X-MultiMail-About:\r\n " + id + "\r\nX-MultiMail-Action:\t relayed \r\n\r\n", "relayed"},
		{"a mail that it quotes says otherwise", a + b + "\r\n" + a + "X-MultiMail-Action: delivered\r\n", "failed"},
		{"nothing", "", ""},
		{"no header", "\r\n" + a + b, ""},
		{"no mail", b + "\r\n", ""},
		{"no action", a + "\r\n", ""},
		{"two mails", a + a + b + "\r\n", ""},
		{"two actions", a + b + b + "\r\n", ""},
		{"an id that is none", "X-MultiMail-About: ../" + id + "\r\n" + b + "\r\n", ""},
		{"an id in lower case", strings.ToLower(a) + b + "\r\n", ""},
		{"two ids in one field", "X-MultiMail-About: " + id + " " + id + "\r\n" + b + "\r\n", ""},
		{"an unknown action", a + "X-MultiMail-Action: applauded\r\n\r\n", ""},
		{"an action in capital letters", a + "X-MultiMail-Action: FAILED\r\n\r\n", ""},
		{"an empty action", a + "X-MultiMail-Action:\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := message.ParseNotice([]byte(c.raw))
			if (err == nil) != (c.action != "") || n.Action != c.action || err == nil && n.About != id || err != nil &&
				n.About != "" {
				t.Errorf("got %+v: %v", n, err)
			}
		})
	}
	for _, action := range []string{"failed", "delayed", "delivered", "relayed", "rejected", "expired"} {
		n, err := message.ParseNotice([]byte(a + "X-MultiMail-Action: " + action + "\r\n\r\n"))
		if err != nil || n.Action != action {
			t.Errorf("%s: %+v %v", action, n, err)
		}
	}
}

func FuzzParseNotice(f *testing.F) {
	f.Add([]byte("X-MultiMail-About: 01ARZ3NDEKTSV4RRFFQ69G5FAV\r\nX-MultiMail-Action: failed\r\n\r\n"))
	f.Add([]byte("X-MultiMail-About: x\r\n X-MultiMail-Action: failed\r\n\r\n\x00"))
	f.Add([]byte("\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := message.ParseNotice(raw)
		if err != nil {
			if n != (mail.Notice{}) {
				t.Fatalf("refused, and yet %+v", n)
			}
			return
		}
		if _, err := mail.ParseID(string(n.About)); err != nil || strings.Trim(n.Action, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("%+v: %v", n, err)
		}
	})
}
