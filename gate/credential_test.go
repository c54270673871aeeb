package gate_test

import (
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// newest returns the newest entry of the log that is not about a notice.
func (h *fixture) newest() (r audit.Record) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		list, err := h.Audit.List(tx, 0, 2)
		if err != nil {
			return err
		}
		if r = list[0].Record(); r.Kind == audit.MailReceive {
			r = list[1].Record()
		}
		return nil
	})
	return r
}

// Of a name with two keys, one stolen, the log says which of them decided.
func TestEveryEntryOfADecisionNamesTheKeyThatMadeIt(t *testing.T) {
	h := build(t)
	held := func() mail.ID { return h.Submit().ID }
	ready := func() mail.ID { return h.Approve(h.Submit()).ID }
	var allowed registry.AllowEntry
	all := registry.FreezeScope{Kind: "all"}
	for _, c := range []struct {
		kind audit.Kind
		by   registry.Principal
		do   func(p registry.Principal) error
	}{
		{audit.MailApprove, h.Approver, func(p registry.Principal) error {
			m := h.Mail(held())
			_, err := h.Gate.Decide(h.ctx, p, m.ID, gate.Decision{Approve: true, Digest: m.Digest})
			return err
		}},
		{audit.MailReject, h.Approver, func(p registry.Principal) error {
			_, err := h.Gate.Decide(h.ctx, p, held(), gate.Decision{Reason: "no"})
			return err
		}},
		{audit.DecideRefuse, h.Approver, func(p registry.Principal) error {
			if _, err := h.Gate.Decide(h.ctx, p, held(), gate.Decision{Approve: true, Digest: "0"}); err == nil {
				t.Error("an approval of another digest passes")
			}
			return nil
		}},
		{audit.MailHold, h.Admin, func(p registry.Principal) error { _, err := h.Gate.Hold(h.ctx, p, ready()); return err }},
		{audit.MailCancel, h.Admin, func(p registry.Principal) error { return errOf(h.Gate.Cancel(h.ctx, p, held())) }},
		{audit.Retry, h.Admin, func(p registry.Principal) error { _, err := h.Gate.Retry(h.ctx, p, ready()); return err }},
		{audit.Freeze, h.Admin, func(p registry.Principal) error { _, err := h.Gate.Freeze(h.ctx, p, all, "x"); return err }},
		{audit.Thaw, h.Approver, func(p registry.Principal) error { return h.Gate.Thaw(h.ctx, p, all) }},
		{audit.ModeLoosen, h.Approver, func(p registry.Principal) error {
			_, err := h.Gate.SetMode(h.ctx, p, h.Box, mail.Monitored)
			return err
		}},
		{audit.ModeTighten, h.Admin, func(p registry.Principal) error {
			_, err := h.Gate.SetMode(h.ctx, p, h.Box, mail.GatedAll)
			return err
		}},
		{audit.AllowAdd, h.Approver, func(p registry.Principal) (err error) {
			allowed, err = h.Gate.AllowAdd(h.ctx, p, h.Box, "pal@friend.test", "")
			return err
		}},
		{audit.AllowRemove, h.Admin, func(p registry.Principal) error {
			return h.Gate.AllowRemove(h.ctx, p, h.Box, allowed.ID)
		}},
		{audit.AgentDisable, h.Admin, func(p registry.Principal) error {
			return errOf(h.Gate.DisableAgent(h.ctx, p, "bot"))
		}},
	} {
		if err := c.do(c.by); err != nil {
			t.Fatalf("%s: %v", c.kind, err)
		}
		r := h.newest()
		used, by := r.Private["credential"], c.by.Credential.ID
		if r.Kind != c.kind || r.Actor.ID != c.by.ID() || used != by || by == "" {
			t.Errorf("%s by %s with %s: got %s by %s with %q", c.kind, c.by.ID(), by, r.Kind, r.Actor.ID, used)
		}
	}
}

// errOf is the error of a call whose result is of no interest.
func errOf[T any](_ T, err error) error { return err }
