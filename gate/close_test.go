package gate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// finishes finishes a closed account and returns how many passes that took.
func (h *fixture) finishes() (passes int) {
	h.Helper()
	for more := true; more; passes++ {
		var err error
		if more, err = h.Gate.FinishClosing(h.ctx); err != nil {
			h.Fatal(err)
		}
		if passes > 100 {
			h.Fatal("it never ends")
		}
	}
	return passes
}

// closes closes the account.
func (h *fixture) closes() gate.Closed {
	h.Helper()
	c, err := h.Gate.CloseAccount(h.ctx, h.Admin)
	if err != nil {
		h.Fatal(err)
	}
	return c
}

func TestNothingComesInOrLeavesOnceTheAccountIsClosed(t *testing.T) {
	h := build(t)
	held, ready := h.Submit("a@dest.test"), h.Approve(h.Submit("b@dest.test"))
	for who, p := range map[string]registry.Principal{"an agent": h.Agent, "an approver": h.Approver} {
		if _, err := h.Gate.CloseAccount(h.ctx, p); err == nil {
			t.Fatalf("%s closes the account", who)
		}
	}
	c := h.closes()
	if c.At.IsZero() || len(c.Kept) > 0 || len(c.Past) > 0 {
		t.Errorf("it says %+v", c)
	}
	if again := h.closes(); !again.At.Equal(c.At) {
		t.Errorf("it is closed again at %s", again.At)
	}
	if _, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("c@dest.test")); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("an agent still sends: %v", err)
	}
	for _, to := range []mail.Address{h.Box, mail.MustAddress("postmaster@example.test")} {
		_, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, to, 0)
		if mail.WordOf(err) != string(mail.ReasonNoMailbox) {
			t.Errorf("mail for %s is answered %v", to, err)
		}
		_, err = h.Gate.Receive(h.ctx, gate.Delivery{To: []mail.Address{to}, Raw: []byte("Subject: x\r\n\r\nx\r\n"),
			Door: "lmtp"})
		if mail.WordOf(err) != string(mail.ReasonNoMailbox) {
			t.Errorf("mail for %s is taken in: %v", to, err)
		}
	}
	_, err := h.Gate.Decide(h.ctx, h.Approver, held.ID, gate.Decision{Approve: true, Digest: held.Digest})
	if !errors.Is(err, registry.ErrClosed) {
		t.Errorf("a mail is released: %v", err)
	}
	if h.tryClaim(ready.ID) != nil {
		t.Error("an approved mail leaves")
	}
	h.finishes()
	for m, kinds := range map[*mail.Mail]string{
		held:  "submit decide.refuse cancel erase",
		ready: "submit approve cancel erase",
	} {
		if got := h.Kinds(m.ID); got != kinds {
			t.Errorf("the log says %s of it, want %s", got, kinds)
		}
		if now := h.Mail(m.ID); now.State != mail.Erased {
			t.Errorf("a mail that was %s is %s", m.State, now.State)
		}
		if _, err := h.DB.Body(h.ctx, "mail/raw/"+string(m.ID)); err == nil {
			t.Error("its bytes are there")
		}
	}
	h.Intact()
}

func TestALegalHoldIsStrongerThanClosingUntilItIsLifted(t *testing.T) {
	h := build(t)
	m := h.Submit()
	h.keep(registry.KeepPatch{LegalHold: to(true)})
	if c := h.closes(); len(c.Kept) != 1 || c.Kept[0] != h.Box {
		t.Errorf("it says %+v", c)
	}
	h.finishes()
	if now := h.Mail(m.ID); now.State != mail.Cancelled {
		t.Errorf("a held mail under a legal hold is %s", now.State)
	}
	h.keep(registry.KeepPatch{LegalHold: to(false)})
	h.finishes()
	if now := h.Mail(m.ID); now.State != mail.Erased {
		t.Errorf("once the hold is lifted the mail is %s", now.State)
	}
}

// A copy that is owed would have to leave, so nothing would ever end.
func TestWhatOwesACopyIsCancelledToo(t *testing.T) {
	h := build(t)
	h.SetMode(mail.Monitored)
	m := h.Submit("a@dest.test")
	h.Hop.Answer = func(a mail.Address) mail.Result {
		return mail.Result{Delivered: a.String() == "a@dest.test", Code: 450}
	}
	h.RunQueue(func() bool { return strings.Contains(h.Kinds(m.ID), "retry") })
	h.closes()
	h.finishes()
	if now := h.Mail(m.ID); now.State != mail.Erased {
		t.Errorf("the mail is %s", now.State)
	}
}

// Whatever a crash cuts off is done by the next start, which knows of it from the store alone.
func TestClosingGoesOnWithWhatACrashHasLeft(t *testing.T) {
	h := build(t)
	ids := make([]mail.ID, 120)
	for i := range ids {
		ids[i] = h.Submit().ID
	}
	cut := errors.New("cut")
	n := 0
	o := gate.Options{Trusted: h.Trusted, Forget: func(store.Tx, mail.Address, int) (int, error) {
		if n++; n < 3 {
			return 0, cut
		}
		return 0, nil
	}}
	h.gates(o)
	h.closes()
	for range 2 {
		if _, err := h.Gate.FinishClosing(h.ctx); err == nil {
			t.Fatal("it is not cut off")
		}
		h.gates(o)
	}
	h.finishes()
	for _, id := range ids {
		if got := h.Kinds(id); got != "submit cancel erase" {
			t.Errorf("the log says %s of a mail", got)
		}
	}
	h.Intact()
}
