package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/sign"
)

const domain = "example.test"

var zero = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fixture is a system whose keys are kept.
type fixture struct {
	*systemtest.Example
	identity *sign.Keyring
	dkim     *dkim.Keyring
	keeper   *Keeper
	zone     map[string]string // what the DNS has
	dns      error             // in place of an answer
}

func newFixture(t *testing.T, o Options) *fixture {
	t.Helper()
	h := &fixture{Example: systemtest.NewExample(t), zone: map[string]string{}}
	h.identity = sign.OpenKeys(h.Dir)
	h.dkim = dkim.OpenKeys(h.Dir, dkim.Options{Algorithms: []string{dkim.Ed25519}}) // is quick to make
	h.must(h.identity.Ensure(domain, h.Clock.Now()))
	h.must(h.dkim.Ensure(domain, h.Clock.Now()))
	o.Store, o.Audit, o.Registry, o.Identity, o.DKIM = h.DB, h.Audit, h.Registry, h.identity, h.dkim
	o.Now, o.Trusted, o.Log = h.Clock.Now, h.Trusted, systemtest.Quiet
	o.Published = func(_ context.Context, name, txt string) (bool, error) { return h.zone[name] == txt, h.dns }
	var err error
	h.keeper, err = New(o)
	h.must(err)
	h.must(h.keeper.Note(t.Context()))
	if h.Delivery, err = delivery.New(h.DB, h.Gate, h.Ledger, h.Nodes, h.Hop, delivery.Options{
		Node: systemtest.Node, Log: systemtest.Quiet, Trusted: h.Trusted, Workers: 1, Lease: 15 * time.Minute,
		FirstRetry: time.Minute, MaxRetry: 4 * time.Hour,
		Stamps: []delivery.Stamp{sign.NewStamper(h.identity), dkim.NewStamper(h.dkim)},
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *fixture) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// publish puts into the DNS what it should have.
func (h *fixture) publish() {
	h.Helper()
	records, err := h.dkim.Records(domain)
	h.must(err)
	clear(h.zone)
	for _, r := range records {
		h.zone[r.Name] = r.TXT
	}
}

func (h *fixture) advance(d time.Duration) {
	h.Helper()
	h.Clock.Forward(d)
	h.must(h.keeper.Advance(h.Context()))
}

// states returns the states of the keys in order, with the selectors of DKIM:
// "next current mm1-ed:current".
func (h *fixture) states() string {
	h.Helper()
	keys, err := h.keeper.Keys(h.Context(), domain)
	h.must(err)
	var out []string
	for _, k := range keys {
		s := string(k.State())
		if k.Purpose == DKIM {
			s = k.Name + ":" + s
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// entries returns the entries about keys, oldest first, as "kind actor facts…".
func (h *fixture) entries() (out []string) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		list, err := h.Audit.List(tx, 0, 1<<20)
		for _, e := range slices.Backward(list) {
			if r := e.Record(); strings.HasPrefix(string(r.Kind), "signing_key.") {
				out = append(out, fmt.Sprint(r.Kind, " ", r.Actor.Kind, " ", r.Facts["purpose"], " ", r.Facts["reason"]))
			}
		}
		return err
	})
	return out
}

// counts returns how many entries of each kind there are.
func (h *fixture) counts() map[audit.Kind]int {
	n := map[audit.Kind]int{}
	for _, e := range h.entries() {
		kind, _, _ := strings.Cut(e, " ")
		n[audit.Kind(kind)]++
	}
	return n
}

func (h *fixture) admin() registry.Principal { return h.Admin }

var errDNS = errors.New("SERVFAIL")
