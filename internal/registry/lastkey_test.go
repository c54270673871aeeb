package registry_test

import (
	"errors"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Without a key that decides everywhere nobody can make another: held mail
// would expire, and a freeze would stay, whatever the operator does.
func TestTheLastKeyThatDecidesEverywhereStays(t *testing.T) {
	h := open(t)
	revoke := func(by, of registry.Principal) error {
		return h.update(func(tx store.Tx) error { return h.reg.RevokeKey(tx, by, of.Credential.ID) })
	}
	first := h.holder("approver", "ann", nil, "oversight")
	limited := h.holder("approver", "bea", []mail.Address{box}, "oversight")
	watcher := h.holder("approver", "vic", nil, "oversight_read")
	admin := h.holder("admin", "max", nil, "admin")
	for name, by := range map[string]registry.Principal{"socket": socket, "admin": admin, "itself": first} {
		if err := revoke(by, first); !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("%s revokes the last key: %v", name, err)
		}
	}
	if _, err := h.current(first); err != nil {
		t.Fatalf("the key is gone: %v", err)
	}
	// Keys that could not make another approver's key do not count.
	for _, p := range []registry.Principal{limited, watcher} {
		if err := revoke(socket, p); err != nil {
			t.Errorf("%s: %v", p.ID(), err)
		}
	}
	second := h.holder("approver", "cem", nil, "oversight")
	if err := revoke(socket, first); err != nil {
		t.Errorf("one of two: %v", err)
	}
	if err := revoke(socket, second); !errors.Is(err, registry.ErrForbidden) {
		t.Errorf("the last of two: %v", err)
	}
}
