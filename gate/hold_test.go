package gate_test

import (
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// Whoever only tightens puts mail back before an approver too, and nobody that of a mailbox
// which the credential does not reach.
func TestAHoldIsForWhoeverTightensTheMailbox(t *testing.T) {
	h := build(t)
	elsewhere := []mail.Address{mail.MustAddress("two@example.test")}
	h.AddAgent("two", "", elsewhere...)
	for _, c := range []struct {
		key  registry.KeyRequest
		want mail.State
	}{
		{registry.KeyRequest{Kind: registry.KindAdmin, Owner: "guard",
			Scopes: []registry.Scope{registry.ScopeTighten}}, mail.Held},
		{registry.KeyRequest{Kind: registry.KindApprover, Owner: "kim", Mailboxes: []mail.Address{h.Box},
			Scopes: []registry.Scope{registry.ScopeTighten}}, mail.Held},
		{registry.KeyRequest{Kind: registry.KindApprover, Owner: "lea", Mailboxes: elsewhere,
			Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeTighten}}, mail.Ready},
		{registry.KeyRequest{Kind: registry.KindAdmin, Owner: "siem",
			Scopes: []registry.Scope{registry.ScopeAuditRead}}, mail.Ready},
		{registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot",
			Scopes: []registry.Scope{registry.ScopeTighten}}, mail.Ready},
	} {
		p, _, _ := h.AddKey(c.key)
		m := h.Approve(h.Submit())
		_, err := h.Gate.Hold(h.ctx, p, m.ID)
		if got := h.Mail(m.ID).State; got != c.want || (err == nil) != (c.want == mail.Held) {
			t.Errorf("%s with %v: %s, %v", c.key.Owner, c.key.Scopes, got, err)
		}
	}
}
