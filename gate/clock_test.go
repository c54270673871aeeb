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
	h.runIdle()
}

func testClockInDoubt(t *testing.T) {
	h := build(t)
	held := h.submit()
	scheduled := h.submission("ada@dest.test")
	scheduled.NotBefore = h.clock.Now().Add(10 * 24 * time.Hour)
	h.mode(mail.Autonomous)
	r, err := h.Gate.Submit(h.ctx, h.agent, scheduled)
	if err != nil {
		t.Fatal(err)
	}
	h.hop.answer = func(mail.Address) mail.Result { return mail.Result{Code: 451, Message: "busy"} }
	retried := h.submit("bob@dest.test")
	h.runIdle()

	h.clock.Forward(30 * 24 * time.Hour)
	h.doubt.Store(true)
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
		if got := h.mail(want.m.ID); got.State != want.state {
			t.Errorf("%s is %s", what, got.State)
		}
	}
	if m := h.mail(r.Mail.ID); m.Attempts != 0 {
		t.Errorf("the scheduled mail was attempted %d times", m.Attempts)
	}
	if n := h.notices(); len(n) != 0 {
		t.Errorf("notices %+v", n)
	}
	// Mail that nothing makes wait for a time leaves as ever.
	h.hop.answer = nil
	if m := h.submit("eve@dest.test"); true {
		h.runIdle()
		if got := h.mail(m.ID); got.State != mail.Sent {
			t.Errorf("mail without a time is %s", got.State)
		}
	}

	h.doubt.Store(false)
	h.expireAndRun()
	if got := h.mail(held.ID); got.State != mail.Expired {
		t.Errorf("by a trusted clock the hold is %s", got.State)
	}
	if got := h.mail(r.Mail.ID); got.State != mail.Sent {
		t.Errorf("by a trusted clock the scheduled mail is %s", got.State)
	}
	h.intact()
}

// The retry lifetime of a mail that fails again ends only by a trusted clock.
func TestARetryLifetimeEndsOnlyByATrustedClock(t *testing.T) { synctest.Test(t, testLifetimeInDoubt) }

func testLifetimeInDoubt(t *testing.T) {
	h := build(t)
	h.mode(mail.Autonomous)
	h.hop.answer = func(mail.Address) mail.Result { return mail.Result{Code: 451, Message: "busy"} }
	m := h.submit()
	h.runIdle()
	h.doubt.Store(true)
	h.clock.Forward(30 * 24 * time.Hour)
	h.runIdle()
	if got := h.mail(m.ID); got.State != mail.Ready || got.Attempts != 2 {
		t.Errorf("in doubt: %s after %d attempts", got.State, got.Attempts)
	}
	h.doubt.Store(false)
	h.clock.Forward(24 * time.Hour)
	h.runIdle()
	if got := h.mail(m.ID); got.State != mail.Failed {
		t.Errorf("trusted: %s", got.State)
	}
}

// What can be decided is not stopped: an approver's word needs no clock.
func TestAnApprovalInDoubtIsTaken(t *testing.T) {
	h := build(t)
	m := h.submit()
	h.clock.Forward(30 * 24 * time.Hour)
	h.doubt.Store(true)
	if got := h.approve(m); got.State != mail.Ready {
		t.Errorf("the mail is %s", got.State)
	}
}
