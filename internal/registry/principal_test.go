package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

var everyScope = scopes("read", "send", "oversight", "oversight_read", "admin", "audit_read", "tighten")

var everyKind = []registry.Kind{"agent", "approver", "admin", "socket", "", "system"}

// held is the whole table of who may hold what, written out a second time.
var held = map[registry.Kind]string{
	"agent":    "read send tighten",
	"approver": "oversight oversight_read tighten",
	"admin":    "admin read oversight_read audit_read tighten",
	"socket":   "admin read oversight_read audit_read tighten",
}

func allows(k registry.Kind, s registry.Scope) bool {
	return slices.Contains(strings.Fields(held[k]), string(s))
}

func TestAPrincipalHasOnlyScopesOfItsKindWhateverItWasGiven(t *testing.T) {
	for _, k := range everyKind {
		for _, dev := range []bool{false, true} {
			p := registry.Principal{Kind: k, Name: "x", Scopes: everyScope, Dev: dev}
			for _, s := range everyScope {
				want := allows(k, s) || k == "socket" && dev && s == "oversight"
				if p.Has(s) != want {
					t.Errorf("%s (dev %t) has %s: got %t, want %t", k, dev, s, !want, want)
				}
			}
			if p.Has("send") && (p.Has("oversight") || p.Has("audit_read")) {
				t.Errorf("%s (dev %t) both sends and decides, or reads the log", k, dev)
			}
			if want := k == "approver" || k == "socket" && dev; registry.CanLoosen(p) != want {
				t.Errorf("%s (dev %t) loosens: got %t, want %t", k, dev, !want, want)
			}
		}
		if bare := (registry.Principal{Kind: k}); slices.ContainsFunc(everyScope, bare.Has) {
			t.Errorf("a %s without scopes has one", k)
		}
	}
}

func TestAKeyIsMadeForExactlyTheSetsOfScopesItsKindMayHold(t *testing.T) {
	base := open(t)
	for _, k := range everyKind {
		for set := range 1 << len(everyScope) {
			var want []registry.Scope
			fits := held[k] != "" && k != "socket" && (set != 0 || k == "agent")
			for i, s := range everyScope {
				if set&(1<<i) != 0 {
					want = append(want, s)
					fits = fits && allows(k, s)
				}
			}
			owner := "demo"
			if k != "agent" {
				owner = "someone"
			}
			h := base.clone(t)
			made, _, err := h.key(dev, registry.KeyRequest{Kind: k, Owner: owner, Scopes: want})
			if fits != (err == nil) || !fits && !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("key of %s with %v: got %v, want it made: %t", k, want, err, fits)
			}
			if set == 0 {
				want = scopes("read")
			}
			slices.Sort(want)
			if fits && !slices.Equal(made.Scopes, want) {
				t.Errorf("key of %s: got scopes %v, want %v", k, made.Scopes, want)
			}
		}
	}
}

func TestTheSocketDecidesOnlyInDevModeAndNeverSends(t *testing.T) {
	for _, dev := range []bool{false, true} {
		p := registry.Socket(7, dev)
		if p.ID() != "socket:7" || p.Has("send") || p.Has("oversight") != dev ||
			!p.Has("admin") || !p.Has("read") || !p.Has("oversight_read") {
			t.Errorf("socket (dev %t): %v", dev, p.Scopes)
		}
	}
}

func TestCoversFollowsTheKind(t *testing.T) {
	list := []mail.Address{box}
	loud := mail.MustAddress("DEMO@Example.Test")
	for _, c := range []struct {
		name        string
		p           registry.Principal
		mine, other bool
	}{
		{"an agent covers what it uses",
			registry.Principal{Kind: "agent", Mailboxes: list}, true, false},
		{"an agent without mailboxes covers none", registry.Principal{Kind: "agent"}, false, false},
		{"an approver covers all", registry.Principal{Kind: "approver"}, true, true},
		{"a limited approver covers its own",
			registry.Principal{Kind: "approver", Mailboxes: list}, true, false},
		{"an admin covers all", registry.Principal{Kind: "admin"}, true, true},
		{"the socket covers all", registry.Socket(0, false), true, true},
		{"nobody covers none", registry.Principal{}, false, false},
		{"nobody with a list covers none", registry.Principal{Mailboxes: list}, false, false},
	} {
		if got := c.p.Covers(loud); got != c.mine {
			t.Errorf("%s: got %t for its own in capitals", c.name, got)
		}
		if got := c.p.Covers(other); got != c.other {
			t.Errorf("%s: got %t for another", c.name, got)
		}
	}
}

func TestNamesAreOfOneKindForEver(t *testing.T) {
	base := open(t)
	base.holder("approver", "ann", nil, "oversight")
	base.holder("admin", "max", nil, "admin")
	add := func(h *fixture, kind registry.Kind, name string) error {
		if kind == "agent" {
			return h.update(func(tx store.Tx) error {
				_, _, err := h.reg.AddAgent(tx, dev, name, "")
				return err
			})
		}
		_, _, err := h.key(dev, registry.KeyRequest{
			Kind: kind, Owner: name, Scopes: kind.Scopes()[:1]})
		return err
	}
	names := map[registry.Kind]string{"agent": "demo", "approver": "ann", "admin": "max"}
	for kind := range names {
		for bearer, name := range names {
			err := add(base.clone(t), kind, name)
			again := kind == bearer && kind != "agent" // another key of the same person
			if again != (err == nil) || !again && !errors.Is(err, registry.ErrExists) {
				t.Errorf("%s called like the %s %s: %v", kind, bearer, name, err)
			}
		}
		for _, name := range []string{
			"", "-a", ".a", "_a", "Demo", "a b", "a@b", "a/b", "a:b", "ä", "a\x00", "a\n",
			"\u212Aim", strings.Repeat("a", 65),
		} {
			if err := add(base.clone(t), kind, name); !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("%s called %q: %v", kind, name, err)
			}
		}
		for _, name := range []string{"a", "0", "a.b_c-d", strings.Repeat("a", 64)} {
			if err := add(base.clone(t), kind, name); err != nil {
				t.Errorf("%s called %q: %v", kind, name, err)
			}
		}
	}
}

func TestCurrentReadsEverythingAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*fixture, store.Tx, registry.Principal) error
		gone   bool
	}{
		{"nothing happened", func(*fixture, store.Tx, registry.Principal) error {
			return nil
		}, false},
		{"the key was revoked", func(h *fixture, tx store.Tx, p registry.Principal) error {
			return h.reg.RevokeKey(tx, dev, p.Credential.ID)
		}, true},
		{"the agent was disabled", func(h *fixture, tx store.Tx, _ registry.Principal) error {
			return h.reg.DisableAgent(tx, dev, "demo")
		}, true},
		{"the agent was disabled and enabled", func(h *fixture, tx store.Tx, _ registry.Principal) error {
			return errors.Join(
				h.reg.DisableAgent(tx, dev, "demo"), h.reg.EnableAgent(tx, dev, "demo"))
		}, false},
	} {
		h := open(t)
		p := h.holder("agent", "demo", nil, "read", "send")
		p.IP = "192.0.2.1"
		h.must(func(tx store.Tx) error { return c.change(h, tx, p) })
		now, err := h.current(p)
		if c.gone != errors.Is(err, registry.ErrCredentials) || !c.gone && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.gone && (now.ID() != "agent:demo" || now.IP != p.IP || !now.Has("send")) {
			t.Errorf("%s: got %+v", c.name, now)
		}
	}
}

func TestCurrentForgetsRightsThatWereOnlyClaimed(t *testing.T) {
	h := open(t)
	p := h.holder("agent", "demo", []mail.Address{box}, "read")
	p.Scopes, p.Mailboxes = everyScope, []mail.Address{box, second, other}
	now, err := h.current(p)
	if err != nil || !slices.Equal(now.Scopes, scopes("read")) || len(now.Mailboxes) != 1 {
		t.Errorf("got %+v, %v", now, err)
	}
	for _, forged := range []registry.Principal{
		{}, {Kind: "agent"}, {Kind: "agent", Name: "nobody"}, {Kind: "approver", Name: "ann"},
		{Kind: "admin", Name: "max", Scopes: scopes("admin")},
		{Kind: "approver", Name: "demo", Credential: p.Credential}, {Kind: "agent", Name: "other", Credential: p.Credential},
		{Kind: "socket", Credential: p.Credential}, {Kind: "socket"}, {Kind: "system"},
		{Kind: "agent", Name: "demo", Agent: "demo", Scopes: everyScope},
		{Kind: "agent", Name: "demo", Credential: registry.Credential{Kind: registry.CredentialSocket}},
		{Kind: "agent", Name: "demo", Credential: registry.Credential{Kind: registry.CredentialPassword}},
		{Kind: "agent", Name: "demo", Credential: registry.Credential{Kind: registry.CredentialToken, ID: p.Credential.ID}},
	} {
		if _, err := h.current(forged); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%+v is current: %v", forged, err)
		}
	}
}

func TestANewMailboxReachesSessionsThatAreOpen(t *testing.T) {
	h := open(t)
	p := h.holder("agent", "other", nil, "send")
	h.must(func(tx store.Tx) error { return h.reg.GrantMailbox(tx, socket, box, "other") })
	if p.Covers(box) {
		t.Error("the snapshot changed")
	}
	if now, err := h.current(p); err != nil || !now.Covers(box) || !now.Covers(other) {
		t.Errorf("got %+v, %v", now, err)
	}
}
