package registry_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// The addresses and names every test shares.
var (
	box    = mail.MustAddress("demo@example.test")   // used by demo
	second = mail.MustAddress("second@example.test") // used by demo
	other  = mail.MustAddress("other@example.test")  // used by other
	watch  = mail.MustAddress("watch@example.test")  // the operator's oversight address
	third  = mail.MustAddress("third@dest.test")     // read by a person elsewhere
	dev    = registry.Socket(1000, true)             // the socket of the dev mode
	socket = registry.Socket(1000, false)            // the socket in production
	all    = registry.FreezeScope{Kind: "all"}
	ctx    = context.Background()
	zone   = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
)

// fixture is an installation: a store, a registry, and some of everyone.
type fixture struct {
	t   testing.TB
	db  *storetest.Memory
	log *audit.Log
	reg *registry.Registry

	password string // of the agent demo
}

// empty returns an installation with nothing in it.
func empty(t testing.TB) *fixture {
	log := audit.New("node")
	return &fixture{
		t: t, log: log, reg: registry.New(log, 7*24*time.Hour),
		db: storetest.NewMemory(zone),
	}
}

// open returns an installation with an operator, a domain, the agents demo and other,
// and their mailboxes, all gated_send.
func open(t testing.TB) *fixture {
	h := empty(t)
	h.must(func(tx store.Tx) error {
		err := h.reg.SetOperator(tx, socket, registry.Operator{Name: "Example", Oversight: watch})
		if err != nil {
			return err
		}
		if _, err := h.reg.AddDomain(tx, socket, "example.test"); err != nil {
			return err
		}
		if _, h.password, err = h.reg.AddAgent(tx, socket, "demo", "ref-1"); err != nil {
			return err
		}
		if _, _, err := h.reg.AddAgent(tx, socket, "other", ""); err != nil {
			return err
		}
		for addr, agent := range map[mail.Address]string{
			box: "demo", second: "demo", other: "other",
		} {
			if _, err := h.reg.AddMailbox(tx, socket, addr, []string{agent}); err != nil {
				return err
			}
		}
		return nil
	})
	return h
}

// clone returns an installation with the same records, changed without effect on h.
func (h *fixture) clone(t testing.TB) *fixture {
	c := *h
	c.t, c.db = t, h.db.Clone()
	return &c
}

func (h *fixture) update(fn func(store.Tx) error) error { return h.db.Update(ctx, fn) }

func (h *fixture) must(fn func(store.Tx) error) {
	h.t.Helper()
	if err := h.update(fn); err != nil {
		h.t.Fatal(err)
	}
}

// key makes a key as actor and returns it with its secret.
func (h *fixture) key(
	actor registry.Principal, q registry.KeyRequest,
) (k registry.Key, secret string, err error) {
	err = h.update(func(tx store.Tx) error {
		k, secret, err = h.reg.AddKey(tx, actor, q)
		return err
	})
	return k, secret, err
}

// holder makes a key as the dev socket and returns the principal that holds it.
func (h *fixture) holder(
	kind registry.Kind, owner string, boxes []mail.Address, scopes ...registry.Scope,
) registry.Principal {
	h.t.Helper()
	_, secret, err := h.key(dev, registry.KeyRequest{
		Kind: kind, Owner: owner, Scopes: scopes, Mailboxes: boxes,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	p, err := h.byKey(secret)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *fixture) byKey(secret string) (p registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.ByKey(tx, secret)
		return err
	})
	return p, err
}

func (h *fixture) byPassword(user, password string) (p registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.ByPassword(tx, user, password)
		return err
	})
	return p, err
}

func (h *fixture) current(p registry.Principal) (now registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		now, err = h.reg.Current(tx, p)
		return err
	})
	return now, err
}

func (h *fixture) setMode(actor registry.Principal, addr mail.Address, mode mail.Mode) error {
	return h.update(func(tx store.Tx) error {
		_, err := h.reg.SetMode(tx, actor, addr, mode)
		return err
	})
}

func (h *fixture) epoch() (n uint64) {
	h.must(func(tx store.Tx) (err error) {
		n, err = h.reg.Epoch(tx)
		return err
	})
	return n
}

// entries returns the audit log, oldest first.
func (h *fixture) entries() (out []audit.Entry) {
	h.t.Helper()
	h.must(func(tx store.Tx) (err error) {
		out, err = h.log.List(tx, 0, 1000)
		return err
	})
	slices.Reverse(out)
	return out
}
