package gate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

const hello = "From: ada@dest.test\r\nTo: bot@example.test\r\nSubject: Hello\r\n\r\nGood evening.\r\n"

// brought is a mail of the world for these addresses.
func brought(to ...string) gate.Delivery {
	d := gate.Delivery{From: mail.MustAddress("ada@dest.test"), Raw: []byte(hello), Door: "smtp-in", TLS: true,
		Prefix: []byte("Received: from mx.dest.test\r\n"),
		Arrival: mail.Arrival{Helo: "mx.dest.test", Remote: "192.0.2.1",
			Auth: mail.Authentication{SPF: mail.Check{Result: "pass"}, DMARC: mail.Check{Result: "pass"}}}}
	for _, a := range to {
		d.To = append(d.To, mail.MustAddress(a))
	}
	return d
}

// incoming brings a mail for the mailbox.
func (h *fixture) incoming() (*mail.Mail, error) {
	h.Helper()
	list, err := h.Gate.Receive(h.ctx, brought(h.Box.String()))
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// arrive brings a mail that is taken.
func (h *fixture) arrive() *mail.Mail {
	h.Helper()
	m, err := h.incoming()
	if err != nil {
		h.Fatal(err)
	}
	return m
}

// inboxed lists what the mailbox has received.
func (h *fixture) inboxed() (ids []mail.ID) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		ids = nil
		items, err := h.Inbox.List(tx, h.Box, inbox.Filter{}, "", 100)
		for _, i := range items {
			ids = append(ids, i.ID)
		}
		return err
	})
	return ids
}

func TestIncomingMailIsHeldInGatedAllAndReceivedInEveryOtherMode(t *testing.T) {
	for _, mode := range mail.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			h := build(t)
			h.SetMode(mode)
			m := h.arrive()
			want, inboxed, tally := mail.Received, 1, 0
			if mode == mail.GatedAll {
				want, inboxed, tally = mail.Held, 0, 1
			}
			if got := h.Mail(m.ID); got.State != want || len(h.inboxed()) != inboxed || h.Kinds(m.ID) != "receive" {
				t.Errorf("%s, %d in the inbox, entries %s", got.State, len(h.inboxed()), h.Kinds(m.ID))
			}
			h.View(func(tx store.Tx) error {
				in, err := h.Ledger.Tally(tx, h.Box, mail.Incoming, mail.Held)
				out, err2 := h.Ledger.Tally(tx, h.Box, mail.Outgoing, mail.Held)
				if in.Count != tally || out.Count != 0 {
					t.Errorf("%d incoming and %d outgoing wait for a decision", in.Count, out.Count)
				}
				return errors.Join(err, err2)
			})
			h.Intact()
		})
	}
}

func TestHeldIncomingMailIsDecidedLikeSubmittedMail(t *testing.T) {
	h := build(t)
	h.SetMode(mail.GatedAll)
	yes, no, gone, late := h.arrive(), h.arrive(), h.arrive(), h.arrive()
	other := gate.Decision{Approve: true, Digest: no.Digest[:63] + "0"}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, yes.ID, other); err == nil {
		t.Error("approved over another digest")
	}
	if _, err := h.Gate.Decide(h.ctx, h.Agent, yes.ID, gate.Decision{Approve: true, Digest: yes.Digest}); err == nil {
		t.Error("the agent decided over its own inbox")
	}
	h.Approve(yes)
	if _, err := h.Gate.Decide(h.ctx, h.Approver, no.ID, gate.Decision{Digest: no.Digest, Reason: "spam"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Gate.Cancel(h.ctx, h.Agent, gone.ID); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("the agent withdrew what it may not see: %v", err)
	}
	if _, err := h.Gate.Cancel(h.ctx, h.Admin, gone.ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(8 * 24 * time.Hour)
	_, err := h.Gate.Decide(h.ctx, h.Approver, late.ID, gate.Decision{Approve: true, Digest: late.Digest})
	if err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("approved after its hold: %v", err)
	}
	if err := h.Gate.Expire(h.ctx); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[mail.ID]string{
		yes.ID: "received: receive decide.refuse decide.refuse approve", no.ID: "rejected: receive reject",
		gone.ID: "cancelled: receive cancel", late.ID: "expired: receive decide.refuse expire",
	} {
		if got := h.Mail(id).State.String() + ": " + h.Kinds(id); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// Nobody is notified of what became of incoming mail: that would be backscatter.
	if ids := h.inboxed(); len(ids) != 1 || ids[0] != yes.ID {
		t.Errorf("the inbox has %v", ids)
	}
	h.Intact()
}

func TestAFreezeRefusesIncomingMailAndItsApproval(t *testing.T) {
	h := build(t)
	h.SetMode(mail.GatedAll)
	m := h.arrive()
	if _, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.incoming(); !errors.Is(err, mail.ErrFrozen) {
		t.Errorf("taken under a freeze: %v", err)
	}
	_, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Approve: true, Digest: m.Digest})
	if !errors.Is(err, mail.ErrStale) || !strings.Contains(err.Error(), "freeze") {
		t.Errorf("approved under a freeze: %v", err)
	}
	if err := h.Gate.Thaw(h.ctx, h.Operator, everything); err != nil {
		t.Fatal(err)
	}
	h.Approve(m)
	if ids := h.inboxed(); len(ids) != 1 {
		t.Errorf("the inbox has %v", ids)
	}
	h.Intact()
}

func TestALooserModeFreesNoHeldIncomingMail(t *testing.T) {
	h := build(t)
	h.SetMode(mail.GatedAll)
	m := h.arrive()
	h.SetMode(mail.Autonomous)
	h.arrive()
	if n := len(h.inboxed()); n != 1 {
		t.Errorf("%d in the inbox", n)
	}
	if got := h.Mail(m.ID).State; got != mail.Held {
		t.Errorf("it is %s", got)
	}
}
