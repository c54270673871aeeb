package queue

import (
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// posted is a bouncer that keeps what it gets.
type posted struct {
	m   *mail.Mail
	raw []byte
}

func (p *posted) Bounce(_ store.Tx, m *mail.Mail, raw []byte) error {
	p.m, p.raw = m, raw
	return nil
}

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
		n    notice
		want []string
	}{
		{"failed", notice{action: "failed", rcpts: []mail.Rcpt{rcpt("a@dest.test", &mail.Result{Code: 550, Enhanced: "5.1.1", Message: "no such user"}),
			rcpt("b@dest.test", &mail.Result{Enhanced: "4.4.7"})}},
			[]string{"Final-Recipient: rfc822; a@dest.test\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n",
				"Final-Recipient: rfc822; b@dest.test\r\nAction: failed\r\nStatus: 4.4.7\r\n"}},
		{"rejected", notice{action: "rejected", reason: "no\r\n.\r\nX-Evil: yes", rcpts: []mail.Rcpt{rcpt("a@dest.test", nil)}},
			[]string{"Action: failed\r\nStatus: 5.7.1\r\n"}},
		{"expired", notice{action: "expired", rcpts: []mail.Rcpt{rcpt("a@dest.test", nil)}}, []string{"Status: 4.4.7\r\n"}},
		{"relayed", notice{action: "relayed", rcpts: []mail.Rcpt{rcpt("a@dest.test", nil)}}, []string{"Action: relayed\r\nStatus: 2.0.0\r\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.n.about, c.n.now = about, now
			p := &posted{}
			if err := (&Queue{bounce: p}).post(store.NewTx(uncommitted{}), c.n); err != nil {
				t.Fatal(err)
			}
			// Notices carry our own fields, which a submission may not.
			msg, err := message.Read(p.raw, message.ReadOptions{ID: p.m.ID, Now: now, Host: "example.test"})
			if err != nil {
				t.Fatalf("%v in\n%s", err, p.raw)
			}
			if msg.Header.From.String() != "postmaster@example.test" || msg.Header.Subject != p.m.Header.Subject {
				t.Errorf("%+v", msg.Header)
			}
			for _, name := range []string{"X-MultiMail-About", "X-MultiMail-Action"} {
				if v := message.Fields(p.raw, name); len(v) != 1 {
					t.Errorf("%s: %q", name, v)
				}
			}
			for _, want := range append(c.want, "Original-Envelope-Id: a+20b+2Bc+0D+0AX:+20y\r\n",
				"Original-Recipient: rfc822;a@b.test+0D+0AX:+20y\r\n", "Auto-Submitted: auto-replied\r\n") {
				if !strings.Contains(string(p.raw), want) {
					t.Errorf("no %q in\n%s", want, p.raw)
				}
			}
			if strings.Contains(string(p.raw), "\r\nX-Evil") || strings.ContainsRune(message.NewReview(p.raw).Text(), '\x1b') {
				t.Errorf("a stranger wrote a line of\n%s", p.raw)
			}
		})
	}
}

func TestNobodyToTellIsNoNotice(t *testing.T) {
	p := &posted{}
	if err := (&Queue{bounce: p}).post(store.Tx{}, notice{action: "failed"}); err != nil || p.m != nil {
		t.Errorf("%v, %v", p.m, err)
	}
}

// uncommitted is a transaction that nothing is written to.
type uncommitted struct{ store.Records }

func (uncommitted) AfterCommit(func()) {}
