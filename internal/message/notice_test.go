package message

import (
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

func TestANoticeIsAMailThatOthersRead(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	box := mail.MustAddress("bot@example.test")
	about := &mail.Mail{ID: mail.NewID(now), Mailbox: box, SubmittedAt: now,
		Envelope: mail.Envelope{From: box, EnvID: "a b+c\r\nX: y"},
		Header:   mail.Header{From: box, Subject: "Grüße\r\nX-Evil: yes \x1b[2J", MessageID: "1@example.test"}}
	rcpt := func(s string, r *mail.Result) mail.Rcpt {
		return mail.Rcpt{Addr: mail.MustAddress(s), ORcpt: "rfc822;a@b.test\r\nX: y", Result: r}
	}
	for _, c := range []struct {
		name string
		n    Notice
		want []string
	}{
		{"failed", Notice{Action: "failed", Rcpts: []mail.Rcpt{rcpt("a@dest.test", &mail.Result{Code: 550, Enhanced: "5.1.1",
			Message: "OBEY ME"}),
			rcpt("b@dest.test", &mail.Result{Enhanced: "4.4.7"})}},
			[]string{"Final-Recipient: rfc822; a@dest.test\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 " +
				"5.1.1 there is no such mailbox\r\n",
				"Final-Recipient: rfc822; b@dest.test\r\nAction: failed\r\nStatus: 4.4.7\r\n"}},
		{"rejected", Notice{Action: "rejected", Reason: "no\r\n.\r\nX-Evil: yes",
			Rcpts: []mail.Rcpt{rcpt("a@dest.test", nil)}},
			[]string{"Action: failed\r\nStatus: 5.7.1\r\n"}},
		{"expired", Notice{Action: "expired", Rcpts: []mail.Rcpt{rcpt("a@dest.test", nil)}}, []string{"Status: 4.4.7\r\n"}},
		{"relayed", Notice{Action: "relayed", Rcpts: []mail.Rcpt{rcpt("a@dest.test", nil)}},
			[]string{"Action: relayed\r\nStatus: 2.0.0\r\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.n.About, c.n.Now, c.n.ID = about, now, mail.NewID(now)
			raw := c.n.Render()
			// Notices carry our own fields, which a submission may not.
			msg, err := Read(raw, ReadOptions{ID: c.n.ID, Now: now, Host: "example.test"})
			if err != nil {
				t.Fatalf("%v in\n%s", err, raw)
			}
			if msg.Header.From.String() != "postmaster@example.test" || msg.Header.Subject != c.n.Subject() ||
				msg.Header.MessageID != c.n.MessageID() || c.n.From() != msg.Header.From {
				t.Errorf("%+v", msg.Header)
			}
			if read, err := ParseNotice(raw); err != nil || read.About != about.ID || read.Action != c.n.Action {
				t.Errorf("read back: %+v, %v", read, err)
			}
			for _, name := range []string{"X-MultiMail-About", "X-MultiMail-Action"} {
				if v := Fields(raw, name); len(v) != 1 {
					t.Errorf("%s: %q", name, v)
				}
			}
			for _, want := range append(c.want, "Original-Envelope-Id: a+20b+2Bc+0D+0AX:+20y\r\n",
				"Original-Recipient: rfc822;a@b.test+0D+0AX:+20y\r\n", "Auto-Submitted: auto-replied\r\n") {
				if !strings.Contains(string(raw), want) {
					t.Errorf("no %q in\n%s", want, raw)
				}
			}
			if strings.Contains(string(raw), "\r\nX-Evil") || strings.Contains(string(raw), "OBEY") ||
				strings.ContainsRune(NewReview(raw).Text(), '\x1b') {
				t.Errorf("a stranger wrote a line of\n%s", raw)
			}
		})
	}
}
