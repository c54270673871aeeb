package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// kept sets a legal hold.
func kept(h *fixture) {
	h.must(func(tx store.Tx) error {
		return patch(registry.MailboxPatch{KeepPatch: registry.KeepPatch{LegalHold: ptr(true)}})(h, tx, dev)
	})
}

// closes closes the account.
func (h *fixture) closes() {
	h.t.Helper()
	h.must(func(tx store.Tx) error { return h.reg.CloseAccount(tx, socket) })
}

func TestAClosedAccountTakesNoChangeButAnEndOfCredentialsAndOfALegalHold(t *testing.T) {
	base := open(t)
	callers(base)
	taken := map[string]bool{"close the account": true, "lift a legal hold": true, "revoke a certificate": true,
		"revoke a key of the agent other": true, "unbind an agent": true, "end a grant of an agent": true}
	n := 0
	for _, d := range operations() {
		h := base.clone(t)
		if d.before != nil {
			d.before(h)
		}
		h.closes()
		err := h.update(func(tx store.Tx) error { return d.do(h, tx, dev) })
		if taken[d.name] {
			n++
			if err != nil {
				t.Errorf("%s: %v", d.name, err)
			}
		} else if !errors.Is(err, registry.ErrClosed) {
			t.Errorf("%s: %v, want that the account is closed", d.name, err)
		}
	}
	if n != len(taken) {
		t.Errorf("%d of the %d operations that are taken were tried", n, len(taken))
	}
}

func TestWithALegalHoldNothingElseOfAClosedMailboxChanges(t *testing.T) {
	h := open(t)
	kept(h)
	h.closes()
	err := h.update(func(tx store.Tx) error {
		return patch(registry.MailboxPatch{KeepPatch: registry.KeepPatch{LegalHold: ptr(false)},
			DisplayName: ptr("Eve")})(h, tx, dev)
	})
	if !errors.Is(err, registry.ErrClosed) {
		t.Errorf("another change came along: %v", err)
	}
}

func TestNobodyOfAClosedAccountIsLetIn(t *testing.T) {
	h := open(t)
	who := callers(h)
	h.closes()
	for letter, p := range who {
		_, err := h.current(p)
		switch ended := strings.Contains("OKLXEZNG", letter); {
		case ended && !errors.Is(err, registry.ErrCredentials):
			t.Errorf("%s (%s) is let in: %v", letter, p.ID(), err)
		case !ended && err != nil:
			t.Errorf("%s (%s) is not let in: %v", letter, p.ID(), err)
		}
	}
	if _, err := h.byPassword("demo", h.password); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("an agent logs in: %v", err)
	}
	err := h.db.View(ctx, func(tx store.Tx) error {
		if frozen, err := h.reg.Frozen(tx, "demo", box); err != nil || !frozen {
			t.Errorf("mail may leave: %v", err)
		}
		if _, err := h.reg.Lasting(tx, dev); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("what the socket has set up goes on: %v", err)
		}
		if err := h.reg.StillGrants(tx, registry.Grant{Kind: registry.KindAdmin}); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("a grant is worth something: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// furnish gives the installation one of everything that ends with it.
func furnish(h *fixture) {
	agent := h.holder(registry.KindAgent, "demo", nil, registry.ScopeRead, registry.ScopeSend)
	h.must(func(tx store.Tx) error {
		if _, err := h.reg.Grant(tx, socket, registry.GrantRequest{Kind: registry.KindAgent, Owner: "demo",
			Client: "mmc_1", Resource: "https://x.test/mcp", Scopes: []registry.Scope{registry.ScopeRead}}, true); err != nil {
			return err
		}
		if _, err := h.reg.Bind(tx, socket, registry.BindingRequest{Kind: registry.KindAgent, Owner: "demo",
			Issuer: "corp", Object: "o1"}); err != nil {
			return err
		}
		if _, err := h.reg.AddCertificate(tx, socket,
			registry.CertificateRequest{Agent: "demo", SAN: "dns:demo.example.test"}); err != nil {
			return err
		}
		_, _, err := h.reg.Await(tx, agent, registry.Asked{Operation: "create_api_key", Request: []byte("{}")},
			registry.NewCode())
		return err
	})
}

func TestAClosedAccountIsEndedABoundedPartAtATimeEachWithItsEntry(t *testing.T) {
	h := open(t)
	callers(h)
	furnish(h)
	kept(h)
	end := func() (n int) {
		before := len(h.entries())
		h.must(func(tx store.Tx) (err error) {
			n, err = h.reg.EndClosed(tx, 2)
			return err
		})
		if n > 2 || len(h.entries())-before != n {
			t.Errorf("%d records ended at once, with %d entries", n, len(h.entries())-before)
		}
		return n
	}
	if n := end(); n != 0 {
		t.Fatalf("%d records of an open account ended", n)
	}
	h.closes()
	again := len(h.entries())
	if h.closes(); len(h.entries()) != again {
		t.Error("it is closed twice")
	}
	ended := 0
	for n := end(); n > 0; n = end() {
		ended += n
	}
	// Two mailboxes, a grant, five keys of agents that are in force, a binding, a certificate, two agents that
	// were not disabled, a code.
	if ended != 2+1+6+1+1+2+1 {
		t.Errorf("%d records ended", ended)
	}
	h.must(func(tx store.Tx) error {
		boxes, err := h.reg.Mailboxes(tx)
		if len(boxes) != 1 || boxes[0].Address != box {
			t.Errorf("mailboxes %v, want the one under a legal hold", boxes)
		}
		return err
	})
	h.must(func(tx store.Tx) error {
		return patch(registry.MailboxPatch{KeepPatch: registry.KeepPatch{LegalHold: ptr(false)}})(h, tx, dev)
	})
	if n := end(); n != 1 {
		t.Errorf("%d records ended once the hold was lifted", n)
	}
	if _, err := h.verify(); err != nil {
		t.Errorf("the log says something else: %v", err)
	}
}

func TestAnAccountThatWasClosedInTheFileIsNoticed(t *testing.T) {
	h := open(t)
	h.closes()
	if _, err := h.verify(); err != nil {
		t.Fatal(err)
	}
	h.db.Edit(func(records map[string][]byte) { delete(records, "registry/closed") })
	if _, err := h.verify(); err == nil {
		t.Error("an account that was opened in the file passes")
	}
}
