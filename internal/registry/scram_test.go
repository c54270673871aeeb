package registry_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

func (h *fixture) scram(user string) (s registry.SCRAM, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		s, err = h.reg.SCRAM(tx, user)
		return err
	})
	return s, err
}

func (h *fixture) bySCRAM(s registry.SCRAM) (p registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.BySCRAM(tx, s)
		return err
	})
	return p, err
}

// fits reports whether a client with the password is accepted, by both sides of the
// library.
func fits(t *testing.T, user, password string, s registry.SCRAM) bool {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(s.Salt), Iters: s.Iterations},
			StoredKey: s.StoredKey, ServerKey: s.ServerKey}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.NewConversation(), server.NewConversation()
	one, _ := a.Step("")
	two, err := b.Step(one)
	if err != nil {
		t.Fatal(err)
	}
	three, err := a.Step(two)
	if err != nil {
		t.Fatal(err)
	}
	four, _ := b.Step(three)
	if _, err := a.Step(four); (err == nil) != b.Valid() {
		t.Errorf("one side is satisfied only: %v", err)
	}
	return b.Valid()
}

// Who has a password that SCRAM can use is proved and let in; for everyone else there
// are values of the same form that no proof fits.
func TestSCRAMKnowsWhoseNameMeansOneAgent(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error { return h.reg.GrantMailbox(tx, socket, second, "other") })
	for _, c := range []struct {
		name, user string
		ok         bool
	}{
		{"its name", "demo", true},
		{"its address", "demo@example.test", true},
		{"its address in capitals", "DEMO@EXAMPLE.TEST", true},
		{"the address of a mailbox of two agents", "second@example.test", false},
		{"another agent's name", "other", false},
		{"nobody's name", "nobody", false},
		{"nobody's address", "nobody@example.test", false},
		{"no name", "", false},
		{"a path", "../agent/demo", false},
		{"a name and a NUL", "demo\x00", false},
	} {
		s, err := h.scram(c.user)
		if err != nil || len(s.Salt) != 16 || s.Iterations != 4096 || len(s.StoredKey) != 32 || len(s.ServerKey) != 32 {
			t.Errorf("%s: %+v, %v", c.name, s, err)
			continue
		}
		if got := fits(t, "x", h.password, s); got != c.ok {
			t.Errorf("%s: the proof fits: %v", c.name, got)
		}
		again, err := h.scram(c.user)
		if err != nil || !bytes.Equal(again.Salt, s.Salt) {
			t.Errorf("%s: another salt the second time: %v", c.name, err)
		}
		p, err := h.bySCRAM(s)
		if c.ok && (err != nil || p.ID() != "agent:demo" || p.Credential.Kind != registry.CredentialPassword) {
			t.Errorf("%s: got %+v, %v", c.name, p, err)
		}
		if !c.ok && c.user != "other" && !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// A salt is of the name: it tells neither that a user is here nor when it came, and
// another installation has another.
func TestASaltTellsNothing(t *testing.T) {
	h, elsewhere := open(t), open(t)
	salt := func(h *fixture, user string) string {
		s, err := h.scram(user)
		if err != nil {
			t.Fatal(err)
		}
		return string(s.Salt)
	}
	before := salt(h, "later")
	h.must(func(tx store.Tx) error {
		_, _, err := h.reg.AddAgent(tx, socket, "later", "")
		return err
	})
	if salt(h, "later") != before {
		t.Error("the salt shows that an agent was added")
	}
	h.must(func(tx store.Tx) error {
		_, err := h.reg.ResetPassword(tx, socket, "later")
		return err
	})
	if salt(h, "later") != before {
		t.Error("the salt shows a reset")
	}
	if salt(h, "nobody@example.test") != salt(h, "NOBODY@Example.Test") {
		t.Error("the salt shows that an address is unknown: case counts")
	}
	if salt(h, "nobody") == salt(h, "nobody2") || salt(h, "nobody") == salt(elsewhere, "nobody") {
		t.Error("a salt is not its name's or not of this installation")
	}
}

func TestAResetEndsSCRAMAndItsSessions(t *testing.T) {
	h := open(t)
	s, err := h.scram("demo")
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.bySCRAM(s)
	if err != nil {
		t.Fatal(err)
	}
	h.must(func(tx store.Tx) error {
		_, err := h.reg.ResetPassword(tx, socket, "demo")
		return err
	})
	_, e1 := h.current(p)
	_, e2 := h.bySCRAM(s) // an exchange that began before the reset
	for _, err := range []error{e1, e2} {
		if !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("got %v", err)
		}
	}
	if now, err := h.scram("demo"); err != nil || fits(t, "demo", h.password, now) {
		t.Errorf("the old password still fits: %v", err)
	}
}

// A store of before has neither keys for SCRAM nor the secret behind the salts: its
// passwords work in plain form, and SCRAM knows nobody until they are reset.
func TestAPasswordOfBeforeWorksInPlainFormUntilItIsReset(t *testing.T) {
	h := open(t)
	h.db.Edit(func(kv map[string][]byte) { delete(kv, "registry/scram") })
	h.db.Edit(edited("registry/password/demo", map[string]any{"scram": nil}))
	if _, err := h.scram("demo"); err == nil || errors.Is(err, registry.ErrCredentials) {
		t.Errorf("without the secret: %v", err)
	}
	h.must(h.reg.Prepare)
	prepared := h.db.All()["registry/scram"]
	h.must(h.reg.Prepare)
	if !bytes.Equal(prepared, h.db.All()["registry/scram"]) {
		t.Error("the secret is not made once")
	}
	s, err := h.scram("demo")
	if err != nil || fits(t, "demo", h.password, s) {
		t.Errorf("SCRAM without a reset: %v", err)
	}
	if _, err := h.bySCRAM(s); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("got %v", err)
	}
	if _, err := h.byPassword("demo", h.password); err != nil {
		t.Errorf("in plain form: %v", err)
	}
	var fresh string
	h.must(func(tx store.Tx) (err error) {
		fresh, err = h.reg.ResetPassword(tx, socket, "demo")
		return err
	})
	if s, err = h.scram("demo"); err != nil || !fits(t, "demo", fresh, s) {
		t.Errorf("after the reset: %v", err)
	}
}

// What is read for a login is the same whether the user is here or not: counted, for
// each kind of name and each way to prove a password.
func TestAnUnknownUserCostsTheSameReads(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error { return h.reg.GrantMailbox(tx, socket, second, "other") })
	h.db.Edit(edited("registry/password/other", map[string]any{"scram": nil}))
	reads := func(do func(tx store.Tx) error) (shapes []string) {
		db := storetest.Watched{Store: h.db, Read: func(key string) {
			at := strings.Split(key, "/")
			shapes = append(shapes, strings.Join(at[:min(2, len(at))], "/")) // where, not which
		}}
		_ = db.View(ctx, do)
		return shapes
	}
	for name, do := range map[string]func(user string) []string{
		"password": func(user string) []string {
			return reads(func(tx store.Tx) error { _, err := h.reg.ByPassword(tx, user, "wrong"); return err })
		},
		"SCRAM": func(user string) []string {
			return reads(func(tx store.Tx) error { _, err := h.reg.SCRAM(tx, user); return err })
		},
	} {
		for _, users := range [][]string{
			{"demo", "nobody", "other"},
			{"demo@example.test", "second@example.test", "other@example.test", "nobody@example.test", "nobody@nowhere.test"},
		} {
			want := do(users[0])
			if len(want) < 2 {
				t.Fatalf("%s of %s: reads %q only", name, users[0], want)
			}
			for _, u := range users[1:] {
				if got := do(u); !slices.Equal(got, want) {
					t.Errorf("%s: %s reads %q, and %s %q", name, users[0], want, u, got)
				}
			}
		}
	}
}

// Nothing of a password stands in the store.
func TestTheStoreHasNoPassword(t *testing.T) {
	h := open(t)
	for key, v := range maps.All(h.db.All()) {
		if bytes.Contains(v, []byte(h.password)) {
			t.Errorf("it stands at %s", key)
		}
	}
}
