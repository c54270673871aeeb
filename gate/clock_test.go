package gate_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/mail"
)

// A clock that shows next month for a moment must not end a single mail.
func TestNothingEndsOrLeavesByAClockInDoubt(t *testing.T) { synctest.Test(t, testClockInDoubt) }

// expireAndRun ends the holds that are over, and runs the workers.
func (h *fixture) expireAndRun() {
	h.Helper()
	if err := h.Gate.Expire(h.ctx); err != nil {
		h.Fatal(err)
	}
	h.RunIdle()
}

func testClockInDoubt(t *testing.T) {
	h := build(t)
	held := h.Submit()
	scheduled := h.Submission("ada@dest.test")
	scheduled.NotBefore = h.Clock.Now().Add(10 * 24 * time.Hour)
	h.SetMode(mail.Autonomous)
	r, err := h.Gate.Submit(h.ctx, h.Agent, scheduled)
	if err != nil {
		t.Fatal(err)
	}
	h.Hop.Answer = func(mail.Address) mail.Result { return mail.Result{Code: 451, Message: "busy"} }
	retried := h.Submit("bob@dest.test")
	h.RunIdle()

	h.Clock.Forward(30 * 24 * time.Hour)
	h.Doubt.Store(true)
	for range 3 {
		h.expireAndRun()
	}
	for what, want := range map[string]struct {
		m     *mail.Mail
		state mail.State
	}{
		"the hold":                 {held, mail.Held},
		"the scheduled mail":       {r.Mail, mail.Ready},
		"the mail that is retried": {retried, mail.Ready},
	} {
		if got := h.Mail(want.m.ID); got.State != want.state {
			t.Errorf("%s is %s", what, got.State)
		}
	}
	if m := h.Mail(r.Mail.ID); m.Attempts != 0 {
		t.Errorf("the scheduled mail was attempted %d times", m.Attempts)
	}
	if n := h.Notices(); len(n) != 0 {
		t.Errorf("notices %+v", n)
	}
	// Mail that nothing makes wait for a time leaves as ever.
	h.Hop.Answer = nil
	if m := h.Submit("eve@dest.test"); true {
		h.RunIdle()
		if got := h.Mail(m.ID); got.State != mail.Sent {
			t.Errorf("mail without a time is %s", got.State)
		}
	}

	h.Doubt.Store(false)
	h.expireAndRun()
	if got := h.Mail(held.ID); got.State != mail.Expired {
		t.Errorf("by a trusted clock the hold is %s", got.State)
	}
	if got := h.Mail(r.Mail.ID); got.State != mail.Sent {
		t.Errorf("by a trusted clock the scheduled mail is %s", got.State)
	}
	h.Intact()
}

// The retry lifetime of a mail that fails again ends only by a trusted clock.
func TestARetryLifetimeEndsOnlyByATrustedClock(t *testing.T) { synctest.Test(t, testLifetimeInDoubt) }

func testLifetimeInDoubt(t *testing.T) {
	h := build(t)
	h.SetMode(mail.Autonomous)
	h.Hop.Answer = func(mail.Address) mail.Result { return mail.Result{Code: 451, Message: "busy"} }
	m := h.Submit()
	h.RunIdle()
	h.Doubt.Store(true)
	h.Clock.Forward(30 * 24 * time.Hour)
	h.RunIdle()
	if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 2 {
		t.Errorf("in doubt: %s after %d attempts", got.State, got.Attempts)
	}
	h.Doubt.Store(false)
	h.Clock.Forward(24 * time.Hour)
	h.RunIdle()
	if got := h.Mail(m.ID); got.State != mail.Failed {
		t.Errorf("trusted: %s", got.State)
	}
}

// What can be decided is not stopped: an approver's word needs no clock.
func TestAnApprovalInDoubtIsTaken(t *testing.T) {
	h := build(t)
	m := h.Submit()
	h.Clock.Forward(30 * 24 * time.Hour)
	h.Doubt.Store(true)
	if got := h.Approve(m); got.State != mail.Ready {
		t.Errorf("the mail is %s", got.State)
	}
}
