package gate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// scheduled submits a mail that leaves in an hour.
func (h *fixture) scheduled() *mail.Mail {
	h.Helper()
	s := h.Submission("you@dest.test")
	s.NotBefore = h.Clock.Now().Add(time.Hour)
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		h.Fatal(err)
	}
	return r.Mail
}

// edit submits a mail in the place of another.
func (h *fixture) edit(p registry.Principal, id mail.ID, to string) (gate.Receipt, error) {
	s := h.Submission(to)
	s.Replaces, s.NotBefore = id, h.Clock.Now().Add(2*time.Hour)
	return h.Gate.Submit(h.ctx, p, s)
}

func TestAnEditVoidsTheApproval(t *testing.T) {
	h := build(t)
	old := h.Approve(h.scheduled())
	if old.State != mail.Ready || old.Basis != mail.Approved {
		t.Fatalf("%+v", old)
	}
	r, err := h.edit(h.Agent, old.ID, "eve@dest.test")
	if err != nil || r.Mail.State != mail.Held || r.Mail.Basis != mail.NoBasis || r.Mail.Replaces != old.ID {
		t.Fatalf("%+v, %v", r.Mail, err)
	}
	if was := h.Mail(old.ID); was.State != mail.Cancelled || was.ReplacedBy != r.Mail.ID || was.Digest != old.Digest {
		t.Errorf("the first is %+v", was)
	}
	yes := gate.Decision{Approve: true, Digest: old.Digest}
	for _, id := range []mail.ID{old.ID, r.Mail.ID} {
		if _, err := h.Gate.Decide(h.ctx, h.Approver, id, yes); !errors.Is(err, mail.ErrStale) {
			t.Errorf("the digest of the first approves %s: %v", id, err)
		}
	}
	h.Clock.Forward(3 * time.Hour)
	h.tryClaim(old.ID)
	if sent := h.Hop.Sent(); len(sent) > 0 {
		t.Errorf("it leaves: %v", sent)
	}
}

func TestOnlyWhatIsScheduledIsEditedAndByItsAuthorAlone(t *testing.T) {
	h := build(t)
	held := h.Submit()
	at := h.Approve(h.scheduled())
	ready := h.Approve(h.Submit())
	gone := h.Approve(h.scheduled())
	if _, err := h.edit(h.Agent, gone.ID, "you@dest.test"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id   mail.ID
		want error
	}{
		"held": {held.ID, mail.ErrStale}, "ready": {ready.ID, mail.ErrStale}, "edited before": {gone.ID, mail.ErrStale},
		"not there": {"01HZZZZZZZZZZZZZZZZZZZZZZZ", mail.ErrNotFound},
	} {
		if _, err := h.edit(h.Agent, c.id, "you@dest.test"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.Clock.Forward(time.Hour)
	if _, err := h.edit(h.Agent, at.ID, "you@dest.test"); !errors.Is(err, mail.ErrStale) {
		t.Errorf("its time has come: %v", err)
	}
	if now := h.Mail(at.ID); now.State != mail.Ready || now.ReplacedBy != "" {
		t.Errorf("a refused edit changes it: %+v", now)
	}
	other := h.scheduled()
	h.Update(func(tx store.Tx) error {
		_, _, err := h.Registry.AddAgent(tx, h.Admin, "second", "")
		if err == nil {
			err = h.Registry.GrantMailbox(tx, h.Admin, h.Box, "second")
		}
		return err
	})
	second := h.Agent
	second.Agent, second.Name = "second", "second"
	if _, err := h.edit(second, other.ID, "you@dest.test"); err == nil {
		t.Error("another agent edits it")
	}
}

func TestAnEditThatIsRefusedLeavesTheMailAsItIs(t *testing.T) {
	h := build(t)
	old := h.Approve(h.scheduled())
	s := h.Submission("you@dest.test")
	s.Replaces, s.Raw = old.ID, []byte("From: eve@evil.test\r\n\r\nhi\r\n")
	if _, err := h.Gate.Submit(h.ctx, h.Agent, s); err == nil {
		t.Fatal("it is taken")
	}
	h.Update(func(tx store.Tx) error {
		return h.Registry.Freeze(tx, h.Approver, registry.FreezeScope{Kind: registry.FreezeAll}, "")
	})
	if _, err := h.edit(h.Agent, old.ID, "you@dest.test"); !errors.Is(err, mail.ErrFrozen) {
		t.Errorf("under a freeze: %v", err)
	}
	if now := h.Mail(old.ID); now.State != mail.Ready || now.ReplacedBy != "" || now.Rev != old.Rev {
		t.Errorf("%+v", now)
	}
}

func TestAnApprovedMailWaitsForItsTimeAndAnUnansweredOneExpires(t *testing.T) {
	h := build(t)
	m := h.Approve(h.scheduled())
	h.tryClaim(m.ID)
	if now := h.Mail(m.ID); now.State != mail.Ready || len(h.Hop.Sent()) > 0 {
		t.Fatalf("before its time it is %s", now.State)
	}
	late := h.scheduled()
	if at := late.NotBefore.Add(time.Hour); !late.ExpiresAt.Equal(at.UTC()) {
		t.Errorf("its hold ends %s, want %s", late.ExpiresAt, at)
	}
}
