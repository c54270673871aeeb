package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

const day = 24 * time.Hour

// keep sets what the mailbox keeps.
func (h *fixture) keep(p registry.KeepPatch) {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		_, err := h.Registry.SetMailbox(tx, h.Operator, h.Box, registry.MailboxPatch{KeepPatch: p})
		return err
	})
}

// retain runs a pass and returns the states of mails.
func (h *fixture) retain(ids ...mail.ID) (states string) {
	h.Helper()
	if err := h.Gate.Retain(h.ctx); err != nil {
		h.Fatal(err)
	}
	for _, id := range ids {
		states += " " + h.Mail(id).State.String()
	}
	return states
}

func to[T any](v T) *T { return &v }

func TestMailIsErasedWhenItsTimeIsOverAndNotBefore(t *testing.T) {
	h := build(t)
	h.keep(registry.KeepPatch{Retention: to(10 * day)})
	in := h.arrive().ID
	out := h.Submit()
	if _, err := h.Gate.Decide(h.ctx, h.Approver, out.ID, gate.Decision{Reason: "no"}); err != nil { // rejected
		t.Fatal(err)
	}
	held := h.Submit().ID
	h.Clock.Forward(10*day - time.Minute)
	if got := h.retain(in, out.ID, held); got != " received rejected held" {
		t.Errorf("too early:%s", got)
	}
	h.Clock.Forward(2 * time.Minute)
	h.Doubt.Store(true)
	if got := h.retain(in, out.ID); got != " received rejected" {
		t.Errorf("with a clock in doubt:%s", got)
	}
	h.Doubt.Store(false)
	h.keep(registry.KeepPatch{LegalHold: to(true)})
	if got := h.retain(in, out.ID); got != " received rejected" {
		t.Errorf("under a legal hold:%s", got)
	}
	h.keep(registry.KeepPatch{LegalHold: to(false)})
	if got := h.retain(in, out.ID, held); got != " erased erased held" {
		t.Errorf("afterwards:%s", got)
	}
	for _, id := range []mail.ID{in, out.ID} {
		if _, err := h.Queue.Raw(h.ctx, id); err == nil {
			t.Errorf("%s has bytes", id)
		}
	}
	if list := h.inboxed(); len(list) > 1 { // the notice is younger
		t.Errorf("the inbox has %v", list)
	}
}

func TestWhatIsThrownAwayIsErasedAfterItsTime(t *testing.T) {
	h := build(t)
	first, second, third := h.arrive().ID, h.arrive().ID, h.arrive().ID
	set := func(id mail.ID, s inbox.Status) {
		h.Update(func(tx store.Tx) error { return h.Inbox.SetStatus(tx, h.Box, id, s) })
	}
	set(first, inbox.Deleted)
	set(second, inbox.Deleted)
	h.Clock.Forward(29 * day)
	set(second, inbox.Unread) // taken back
	set(third, inbox.Deleted)
	if got := h.retain(first, second, third); got != " received received received" {
		t.Errorf("too early:%s", got)
	}
	h.Clock.Forward(2 * day)
	h.keep(registry.KeepPatch{LegalHold: to(true)})
	if got := h.retain(first); got != " received" {
		t.Errorf("under a legal hold:%s", got)
	}
	h.keep(registry.KeepPatch{LegalHold: to(false)})
	h.retain() // the walk begins anew
	if got := h.retain(first, second, third); got != " erased received received" {
		t.Errorf("afterwards:%s", got)
	}
}

func TestIncomingMailThatNoMailboxGotIsErasedAfterItsTime(t *testing.T) {
	h := build(t)
	h.SetMode(mail.GatedAll)
	m := h.arrive()
	if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(29 * day)
	if got := h.retain(m.ID); got != " rejected" {
		t.Errorf("too early:%s", got)
	}
	h.Clock.Forward(2 * day)
	if got := h.retain(m.ID); got != " erased" {
		t.Errorf("afterwards:%s", got)
	}
}

// Beyond what a mailbox keeps the oldest goes, in passes of bounded size.
func TestTheOldestGoesWhereThereIsTooMuch(t *testing.T) {
	h := build(t)
	var ids []mail.ID
	for range 120 {
		ids = append(ids, h.arrive().ID)
		h.Clock.Forward(time.Second)
	}
	size := h.Mail(ids[0]).Size
	h.gates(gate.Options{RetentionSize: 30 * size})
	h.retain()
	left := h.inboxed()
	if len(left) != 30 || left[29] != ids[90] {
		t.Errorf("%d are left", len(left))
	}
}

func TestAMailboxMayHaveAQuotaOfItsOwn(t *testing.T) {
	h := build(t)
	h.arrive()
	h.keep(registry.KeepPatch{QuotaCount: to(1)})
	for want, quota := range []int{1, 2} { // 0: refused
		h.keep(registry.KeepPatch{QuotaCount: &quota})
		_, err := h.Gate.AdmitDelivery(h.ctx, mail.MustAddress("ada@dest.test"), h.Box, 10)
		if (err == nil) != (want == 1) {
			t.Errorf("a quota of %d: %v", quota, err)
		}
	}
	h.keep(registry.KeepPatch{QuotaCount: to(0), QuotaSize: to(int64(50))})
	if _, err := h.Gate.AdmitDelivery(h.ctx, mail.MustAddress("ada@dest.test"), h.Box, 50); err == nil {
		t.Error("more than its octets")
	}
	for _, p := range []registry.KeepPatch{{QuotaCount: to(-1)}, {QuotaSize: to(int64(-1))}, {Retention: to(time.Hour)},
		{Retention: to(-day)}, {Retention: to(registry.MaxRetention + 1)},
		{QuotaSize: to(int64(registry.MaxQuotaSize) + 1)}} {
		err := h.DB.Update(h.ctx, func(tx store.Tx) error {
			_, err := h.Registry.SetMailbox(tx, h.Operator, h.Box, registry.MailboxPatch{KeepPatch: p})
			return err
		})
		if err == nil {
			t.Error(fmt.Sprintf("%+v is taken", p))
		}
	}
}
