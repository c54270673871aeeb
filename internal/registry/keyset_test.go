package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (h *fixture) set(by registry.Principal, id string, patch registry.KeyPatch) (k registry.Key, err error) {
	err = h.update(func(tx store.Tx) error { k, err = h.reg.SetKey(tx, by, id, patch); return err })
	return k, err
}

// A key loses scopes at its next use, and never gets one.
func TestAKeyGetsFewerScopesAndNeverMore(t *testing.T) {
	h := open(t)
	p := h.holder("agent", "demo", nil, "read", "send")
	id := p.Credential.ID
	k, err := h.set(p, id, registry.KeyPatch{Scopes: scopes("send", "send")}) // its own
	if err != nil || fmt.Sprint(k.Scopes) != "[send]" {
		t.Fatalf("got %v, %v", k.Scopes, err)
	}
	if now, err := h.current(p); err != nil || now.Has(registry.ScopeRead) || !now.Has(registry.ScopeSend) {
		t.Errorf("it holds %v, %v", now.Scopes, err)
	}
	count := len(h.entries())
	for name, c := range map[string]struct {
		id    string
		patch registry.KeyPatch
		want  error
	}{
		"the scope that it had":  {id, registry.KeyPatch{Scopes: scopes("send", "read")}, registry.ErrForbidden},
		"a scope of others":      {id, registry.KeyPatch{Scopes: scopes("oversight")}, registry.ErrForbidden},
		"no scope":               {id, registry.KeyPatch{Scopes: []registry.Scope{}}, registry.ErrInvalid},
		"a name with a control":  {id, registry.KeyPatch{Name: ptr("a\nb")}, registry.ErrInvalid},
		"a long name":            {id, registry.KeyPatch{Name: ptr(strings.Repeat("n", 201))}, registry.ErrInvalid},
		"a key that is not here": {string(mail.NewID(zone)), registry.KeyPatch{Name: ptr("n")}, registry.ErrNotFound},
		"what is no id":          {"../operator", registry.KeyPatch{Name: ptr("n")}, registry.ErrNotFound},
	} {
		if _, err := h.set(dev, c.id, c.patch); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if k, err := h.set(dev, id, registry.KeyPatch{Scopes: scopes("send")}); err != nil || k.Name != "demo" {
		t.Errorf("the same again: %+v, %v", k, err)
	}
	if n := len(h.entries()); n != count {
		t.Errorf("%d entries of what changed nothing", n-count)
	}
	k, err = h.set(socket, id, registry.KeyPatch{Name: ptr("desk")})
	if err != nil || k.Name != "desk" || fmt.Sprint(k.Scopes) != "[send]" {
		t.Errorf("renamed: %+v, %v", k, err)
	}
	h.must(func(tx store.Tx) error { return h.reg.RevokeKey(tx, socket, id) })
	if _, err := h.set(dev, id, registry.KeyPatch{Name: ptr("n")}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a revoked key: %v", err)
	}
	if _, err := h.verify(); err != nil {
		t.Error(err)
	}
}

// Taking oversight from the last key that decides everywhere would end oversight.
func TestTheLastKeyThatDecidesEverywhereKeepsItsScope(t *testing.T) {
	h := open(t)
	ann := h.holder("approver", "ann", nil, "oversight", "oversight_read")
	less := registry.KeyPatch{Scopes: scopes("oversight_read")}
	for _, by := range []registry.Principal{ann, socket} {
		if _, err := h.set(by, ann.Credential.ID, less); !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("by %s: %v", by.ID(), err)
		}
	}
	if _, err := h.set(ann, ann.Credential.ID, registry.KeyPatch{Scopes: scopes("oversight")}); err != nil {
		t.Errorf("another scope: %v", err)
	}
	h.holder("approver", "bea", nil, "oversight", "oversight_read")
	h.holder("approver", "vic", nil, "oversight_read")
	vic := h.holder("approver", "cem", nil, "oversight", "oversight_read")
	if _, err := h.set(socket, vic.Credential.ID, less); err != nil {
		t.Errorf("one of three: %v", err)
	}
}
