package registry_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// memory is a store.Store in a map, copied for every Update.
type memory struct {
	kv    map[string][]byte
	now   time.Time
	fails int // the call of an Update that fails with errDisk, counted from 1
}

var errDisk = errors.New("the disk is gone")

var _ store.Store = (*memory)(nil)

func (m *memory) View(_ context.Context, fn func(store.Tx) error) error {
	return fn(store.NewTx(&memoryTx{m: m, kv: m.kv, frozen: true}))
}

func (m *memory) Update(_ context.Context, fn func(store.Tx) error) error {
	tx := &memoryTx{m: m, kv: maps.Clone(m.kv), fails: m.fails}
	if err := fn(store.NewTx(tx)); err != nil {
		return err
	}
	m.kv = tx.kv
	return nil
}

func (m *memory) Stage(context.Context, string, []byte) (store.Staged, error) {
	return store.Staged{}, errors.New("no bodies here")
}

func (m *memory) Body(context.Context, string) ([]byte, error) { return nil, store.ErrNotFound }
func (*memory) Discard(store.Staged)                           {}
func (*memory) Fits(int64) error                               { return nil }
func (m *memory) Healthy() error                               { return nil }
func (m *memory) Close() error                                 { return nil }

type memoryTx struct {
	m      *memory
	kv     map[string][]byte
	frozen bool
	fails  int
}

// step counts a call and reports whether it is the one that fails.
func (tx *memoryTx) step() bool {
	tx.fails--
	return tx.fails == 0
}

func (tx *memoryTx) Get(key string) ([]byte, error) {
	if tx.step() {
		return nil, errDisk
	}
	v, ok := tx.kv[key]
	if !ok {
		return nil, store.ErrNotFound
	}
	return slices.Clone(v), nil
}

func (tx *memoryTx) Put(key string, value []byte) error {
	if tx.frozen {
		return store.ErrReadOnly
	}
	if tx.step() {
		return errDisk
	}
	tx.kv[key] = slices.Clone(value)
	return nil
}

func (tx *memoryTx) Delete(key string) error {
	if tx.frozen {
		return store.ErrReadOnly
	}
	if tx.step() {
		return errDisk
	}
	delete(tx.kv, key)
	return nil
}

func (tx *memoryTx) Scan(r store.Range, fn func(string, []byte) error) error {
	if tx.step() {
		return errDisk
	}
	keys := slices.Sorted(maps.Keys(tx.kv))
	if r.Reverse {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		if k < r.From || r.To != "" && k >= r.To {
			continue
		}
		if err := fn(k, slices.Clone(tx.kv[k])); err != nil {
			if errors.Is(err, store.Stop) {
				return nil
			}
			return err
		}
	}
	return nil
}

func (tx *memoryTx) AfterCommit(func())         {}
func (tx *memoryTx) PutBody(store.Staged) error { return errors.New("no bodies here") }
func (tx *memoryTx) DeleteBody(string) error    { return nil }
func (tx *memoryTx) Now() time.Time             { return tx.m.now }

// The addresses and names every test shares.
var (
	box    = mail.MustAddress("demo@house.test")   // used by demo
	second = mail.MustAddress("second@house.test") // used by demo
	other  = mail.MustAddress("other@house.test")  // used by other
	watch  = mail.MustAddress("watch@house.test")  // the operator's oversight address
	dev    = registry.Socket(1000, true)           // the socket of the dev mode
	socket = registry.Socket(1000, false)          // the socket in production
	all    = registry.FreezeScope{Kind: "all"}
	ctx    = context.Background()
	zone   = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
)

// house is an installation: a store, a registry, and some of everyone.
type house struct {
	t   testing.TB
	db  *memory
	log *audit.Log
	reg *registry.Registry

	password string // of the agent demo
}

// empty returns a house with nothing in it.
func empty(t testing.TB) *house {
	log := audit.New("node")
	return &house{
		t: t, log: log, reg: registry.New(log),
		db: &memory{kv: map[string][]byte{}, now: zone},
	}
}

// open returns a house with an operator, a domain, the agents demo and other,
// and their mailboxes, all gated_send.
func open(t testing.TB) *house {
	h := empty(t)
	h.must(func(tx store.Tx) error {
		err := h.reg.SetOperator(tx, socket, registry.Operator{Name: "House", Oversight: watch})
		if err != nil {
			return err
		}
		if _, err := h.reg.AddDomain(tx, socket, "house.test"); err != nil {
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

// clone returns a house with the same records, changed without effect on h.
func (h *house) clone(t testing.TB) *house {
	c := *h
	c.t, c.db = t, &memory{kv: h.db.kv, now: h.db.now}
	return &c
}

func (h *house) update(fn func(store.Tx) error) error { return h.db.Update(ctx, fn) }

func (h *house) must(fn func(store.Tx) error) {
	h.t.Helper()
	if err := h.update(fn); err != nil {
		h.t.Fatal(err)
	}
}

// key makes a key as actor and returns it with its secret.
func (h *house) key(
	actor registry.Principal, q registry.KeyRequest,
) (k registry.Key, secret string, err error) {
	err = h.update(func(tx store.Tx) error {
		k, secret, err = h.reg.AddKey(tx, actor, q)
		return err
	})
	return k, secret, err
}

// holder makes a key as the dev socket and returns the principal that holds it.
func (h *house) holder(
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

func (h *house) byKey(secret string) (p registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.ByKey(tx, secret)
		return err
	})
	return p, err
}

func (h *house) byPassword(user, password string) (p registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.ByPassword(tx, user, password)
		return err
	})
	return p, err
}

func (h *house) current(p registry.Principal) (now registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		now, err = h.reg.Current(tx, p)
		return err
	})
	return now, err
}

func (h *house) setMode(actor registry.Principal, addr mail.Address, mode mail.Mode) error {
	return h.update(func(tx store.Tx) error {
		_, err := h.reg.SetMode(tx, actor, addr, mode)
		return err
	})
}

func (h *house) epoch() (n uint64) {
	h.must(func(tx store.Tx) (err error) {
		n, err = h.reg.Epoch(tx)
		return err
	})
	return n
}

// entries returns the audit log, oldest first.
func (h *house) entries() (out []audit.Entry) {
	h.t.Helper()
	h.must(func(tx store.Tx) (err error) {
		out, err = h.log.List(tx, 0, 1000)
		return err
	})
	slices.Reverse(out)
	return out
}
