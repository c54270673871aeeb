package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
)

// received is one request that a target got.
type received struct {
	header http.Header
	body   []byte
	path   string
}

// fixture is a system with webhooks, and a target that answers as the test says.
type fixture struct {
	*systemtest.Example
	h      *Hooks
	target *httptest.Server
	counts map[string]int

	mu  sync.Mutex
	got []received
	// answer is what the target says; nil: 200.
	answer http.HandlerFunc
}

// reader may read mail and see what waits, and so hears of everything.
var reader = registry.KeyRequest{Name: "r", Kind: registry.KindAdmin, Owner: "root",
	Scopes: []registry.Scope{registry.ScopeAdmin, registry.ScopeRead, registry.ScopeOversightRead}}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Example: systemtest.NewExample(t), counts: map[string]int{}}
	f.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.got = append(f.got, received{r.Header, body, r.URL.Path})
		answer := f.answer
		f.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(f.target.Close)
	f.h = f.restart(t)
	return f
}

// restart returns what a daemon that starts anew on the same store has.
func (f *fixture) restart(t *testing.T) *Hooks {
	t.Helper()
	allow, err := ParseTargets([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Store: f.DB, Audit: f.Audit, Mail: f.Ledger.Load, Rights: f.rights, Allow: allow,
		Resolver: resolver{}, Public: func(a netip.Addr) bool { return !a.IsLoopback() && !a.IsPrivate() },
		Jitter: func(int64) int64 { return 0 }, Log: systemtest.Quiet,
		Count: func(result string) { f.mu.Lock(); f.counts[result]++; f.mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// rights are those of a principal of the registry.
func (f *fixture) rights(tx store.Tx, o Owner) (Rights, error) {
	p, err := f.Registry.Lasting(tx, registry.Principal{Kind: registry.Kind(o.Kind), Name: o.Name, UID: o.UID,
		Credential: registry.Credential{Kind: registry.CredentialKind(o.CredentialKind), ID: o.Credential}})
	if errors.Is(err, registry.ErrCredentials) {
		return Rights{}, ErrGone
	}
	return Rights{Read: p.Has(registry.ScopeRead), Covers: p.Covers, Policy: p.Has(registry.ScopeAdmin),
		Oversee: p.Has(registry.ScopeOversight) || p.Has(registry.ScopeOversightRead),
		All:     p.Kind != registry.KindAgent && len(p.Mailboxes) == 0}, err
}

type resolver map[string][]netip.Addr

func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if r[host] == nil {
		return nil, errors.New("no such host")
	}
	return r[host], nil
}

func ownerOf(p registry.Principal) Owner {
	return Owner{Kind: string(p.Kind), Name: p.Name, UID: p.UID, CredentialKind: string(p.Credential.Kind),
		Credential: p.Credential.ID}
}

// add adds a webhook of a principal to the target.
func (f *fixture) add(p registry.Principal, events ...string) (s Subscription) {
	f.Helper()
	f.Update(func(tx store.Tx) (err error) {
		s, err = f.h.Add(tx, p, ownerOf(p), Request{URL: f.target.URL + "/hook", Events: events})
		return err
	})
	return s
}

// root is a principal that hears of everything.
func (f *fixture) root() registry.Principal {
	f.Helper()
	p, _, _ := f.AddKey(reader)
	return p
}

// round follows the log to its end and makes the attempts that are due.
func (f *fixture) round() {
	f.Helper()
	for {
		more, err := f.h.follow(f.Context())
		if err != nil {
			f.Fatal(err)
		}
		if !more {
			break
		}
	}
	var attempts sync.WaitGroup
	for {
		if err := f.h.start(f.Context(), 0, &attempts); err != nil {
			f.Fatal(err)
		}
		attempts.Wait()
		select {
		case <-f.h.finished:
		default:
			return
		}
	}
}

// events returns the names of the events that the target got, and forgets them.
func (f *fixture) events() (names []string) {
	f.Helper()
	for _, r := range f.taken() {
		var m struct{ Event string }
		if err := json.Unmarshal(r.body, &m); err != nil {
			f.Fatal(err)
		}
		names = append(names, m.Event)
	}
	slices.Sort(names) // two attempts at once come in any order
	return names
}

func (f *fixture) taken() []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

func (f *fixture) respond(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fixture) count(result string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[result]
}

func (f *fixture) subscription(id string) (s Subscription) {
	f.Helper()
	f.View(func(tx store.Tx) (err error) {
		s, err = f.h.Get(tx, id)
		return err
	})
	return s
}

func (f *fixture) deliveries(id string) (all []Delivery) {
	f.Helper()
	f.View(func(tx store.Tx) (err error) {
		all, err = f.h.Deliveries(tx, id, "", 1000)
		return err
	})
	return all
}

// disabled returns the reasons of the entries that say that a webhook was switched off.
func (f *fixture) disabled() (why []string) {
	f.Helper()
	f.View(func(tx store.Tx) error {
		why = nil
		all, err := f.Audit.List(tx, 0, 10000)
		for _, e := range all {
			if r := e.Record(); r.Kind == audit.WebhookDisable {
				why = append(why, r.Facts["why"])
			}
		}
		return err
	})
	return why
}

func fails(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

const day = 24 * time.Hour
