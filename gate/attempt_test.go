package gate_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestEachRecipientHasItsOwnResult(t *testing.T) {
	for _, c := range []struct {
		name, bad string
		notify    []string
		state     mail.State
		notices   int
	}{
		{"one of two fails", "ada@dest.test", nil, mail.Sent, 1},
		{"both fail", "@dest.test", nil, mail.Failed, 1},
		{"nobody wants to hear of it", "ada@dest.test", []string{"NEVER"}, mail.Sent, 0},
		{"success is of interest", "", []string{"SUCCESS"}, mail.Sent, 1},
		{"all is well", "", nil, mail.Sent, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := build(t)
			h.Hop.Answer = func(a mail.Address) mail.Result {
				if c.bad != "" && strings.HasSuffix(a.String(), c.bad) {
					return mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1", Message: "no such user"}
				}
				return mail.Result{Delivered: true, Code: 250}
			}
			s := h.Submission("ada@dest.test", "bob@dest.test")
			for i := range s.Envelope.Rcpts {
				s.Envelope.Rcpts[i].Notify = c.notify
			}
			r, err := h.Gate.Submit(h.ctx, h.Agent, s)
			if err != nil {
				t.Fatal(err)
			}
			h.Approve(r.Mail)
			h.RunUntil(r.Mail.ID, c.state)
			n := h.Notices()
			if len(n) != c.notices {
				t.Fatalf("%d notices: %+v", len(n), n)
			}
			if c.name == "one of two fails" && (strings.Contains(n[0].Text, "bob@") ||
				!strings.Contains(n[0].Text, "550 5.1.1 there is no such mailbox")) {
				t.Errorf("the notice says %s", n[0].Text)
			}
			h.Intact()
		})
	}
}

func TestAnAttemptWhoseFinalDotWentUnansweredIsMarkedInItsEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for uncertain, want := range map[bool]string{true: "true", false: ""} {
			h := build(t)
			h.Hop.Answer = func(mail.Address) mail.Result {
				return mail.Result{Uncertain: uncertain, Enhanced: "4.4.2", Message: "final dot: connection lost"}
			}
			m := h.Approve(h.Submit())
			h.RunIdle()
			found := false
			h.View(func(tx store.Tx) error {
				entries, err := h.Audit.ByMail(tx, string(m.ID))
				for _, e := range entries {
					r := e.Record()
					found = found || r.Kind == audit.MailRetry
					if got := r.Facts["uncertain"]; r.Kind == audit.MailRetry && got != want {
						t.Errorf("uncertain is %q, want %q", got, want)
					}
				}
				return err
			})
			if !found {
				t.Error("no entry about the attempt")
			}
		}
	})
}
