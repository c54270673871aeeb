package gate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/mail"
)

// partly sends a mail to ada, who has it, and to bob, whose server puts it off. It returns
// the mail, which waits for its next attempt, and the bounce address of ada.
func (h *fixture) partly() (*mail.Mail, string) {
	h.Helper()
	h.Hop.Answer = func(a mail.Address) mail.Result {
		if a.Local() == "ada" {
			return mail.Result{Delivered: true, Code: 250}
		}
		return mail.Result{Code: 451, Enhanced: "4.3.0"}
	}
	r, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test", "bob@dest.test"))
	if err != nil {
		h.Fatal(err)
	}
	h.Approve(r.Mail)
	h.RunQueue(func() bool { m := h.Mail(r.Mail.ID); return m.State == mail.Ready && m.Attempts == 1 })
	return h.Mail(r.Mail.ID), h.Hop.Sent()[0].From[0]
}

// heldAgain tightens the mode until the mail is held again for who has not got it.
func (h *fixture) heldAgain(m *mail.Mail) *mail.Mail {
	h.Helper()
	h.SetMode(mail.ReadOnly)
	h.Clock.Forward(m.NextAttempt.Sub(h.Clock.Now()) + 1)
	return h.RunUntil(m.ID, mail.Held)
}

// A report is about the recipient that had the mail. What the others wait for, and how that
// ends, is not changed by it.
func TestAReportCountsWhateverTheOtherRecipientsWaitFor(t *testing.T) {
	decide := func(approve bool) func(*fixture, *mail.Mail) {
		return func(h *fixture, m *mail.Mail) {
			_, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Approve: approve, Digest: m.Digest, Reason: "no"})
			if err != nil {
				h.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		after func(h *fixture, m *mail.Mail)
		want  string
		told  []string // the actions of the notices, sorted
	}{
		{"ready", nil, "ready bounced pending", []string{"failed"}},
		{"held again", func(h *fixture, m *mail.Mail) { h.heldAgain(m) }, "held bounced pending", []string{"failed"}},
		{"rejected", func(h *fixture, m *mail.Mail) { decide(false)(h, h.heldAgain(m)) },
			"rejected bounced pending", []string{"failed", "rejected"}},
		{"cancelled", func(h *fixture, m *mail.Mail) {
			if _, err := h.Gate.Cancel(h.ctx, h.Agent, m.ID); err != nil {
				h.Fatal(err)
			}
		}, "cancelled bounced pending", []string{"failed"}},
		{"expired", func(h *fixture, m *mail.Mail) {
			m = h.heldAgain(m)
			h.Clock.Forward(m.ExpiresAt.Sub(h.Clock.Now()) + 1)
			if err := h.Gate.Expire(h.ctx); err != nil {
				h.Fatal(err)
			}
		}, "expired bounced pending", []string{"expired", "failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := reporting(t)
			m, path := h.partly()
			if c.after != nil {
				c.after(h, m)
			}
			h.bouncesOnce(m, path, c.want, c.told)
			h.Intact()
		})
	}
}

// bouncesOnce brings a report on ada twice: it counts once, and changes nothing of the others.
func (h *fixture) bouncesOnce(m *mail.Mail, path, want string, told []string) {
	h.Helper()
	before := h.Mail(m.ID)
	for range 2 {
		h.bring(report(path, "ada@dest.test", "failed", "5.1.1"))
	}
	after := h.Mail(m.ID)
	if got := h.standings(m.ID); got != want || !after.ExpiresAt.Equal(before.ExpiresAt) ||
		!after.FinishedAt.Equal(before.FinishedAt) || after.Digest != before.Digest {
		h.Errorf("%s, want %s; expires %s, before %s", got, want, after.ExpiresAt, before.ExpiresAt)
	}
	kinds := h.kindsOf(m.ID)
	if count(kinds, audit.MailBounce) != 1 || count(kinds, audit.SuppressAdd) != 1 {
		h.Errorf("entries %v", kinds)
	}
	var got []string
	for _, n := range h.Notices() {
		got = append(got, n.Action)
		if n.Action == "failed" && (strings.Contains(n.Text, "bob@") || !strings.Contains(n.Text, "ada@")) {
			h.Errorf("the notice says %s", n.Text)
		}
	}
	if slices.Sort(got); !slices.Equal(got, told) {
		h.Errorf("notices %v, want %v", got, told)
	}
}

// A mail that was held again when a report came goes on as it would have.
func TestAMailHeldAgainThatBouncedIsStillDecided(t *testing.T) {
	h := reporting(t)
	m, path := h.partly()
	m = h.heldAgain(m)
	h.bring(report(path, "ada@dest.test", "failed", "5.1.1"))
	h.SetMode(mail.GatedSend)
	h.Hop.Answer = nil
	h.Approve(h.Mail(m.ID))
	h.RunUntil(m.ID, mail.Sent, mail.Failed)
	if got := h.standings(m.ID); got != "sent bounced delivered" {
		t.Errorf("got %s", got)
	}
	h.Intact()
}

// While the others are tried again the report is asked for later, as during the first attempt.
func TestAReportDuringALaterAttemptComesAgainLater(t *testing.T) {
	h := reporting(t)
	m, path := h.partly()
	var early error
	h.Hop.Pause = func(ph mail.Phase) {
		if ph == mail.BeforeDot {
			_, early = h.Gate.Receive(h.ctx, report(path, "ada@dest.test", "failed", "5.1.1"))
		}
	}
	h.Hop.Answer = nil
	h.Clock.Forward(m.NextAttempt.Sub(h.Clock.Now()) + 1)
	h.RunUntil(m.ID, mail.Sent, mail.Failed)
	if got := h.standings(m.ID); !errors.Is(early, mail.ErrUnavailable) || got != "sent delivered delivered" {
		t.Fatalf("%v, %s", early, got)
	}
	h.bring(report(path, "ada@dest.test", "failed", "5.1.1"))
	if got := h.standings(m.ID); got != "sent bounced delivered" {
		t.Errorf("got %s", got)
	}
}
