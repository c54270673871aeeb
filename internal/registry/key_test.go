package registry_test

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestAKeyIsShownOnceAndNeverStored(t *testing.T) {
	h := open(t)
	k, secret, err := h.key(socket, registry.KeyRequest{
		Kind: "agent", Owner: "demo", Scopes: scopes("send", "read", "send")})
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^mm_live_([0-9A-HJKMNP-TV-Z]{26})_([A-Za-z0-9_-]{43})$`)
	m := form.FindStringSubmatch(secret)
	if m == nil || m[1] != k.ID || k.Prefix != "mm_live_"+k.ID {
		t.Fatalf("secret of key %s has the wrong form", k.ID)
	}
	if b, err := base64.RawURLEncoding.DecodeString(m[2]); err != nil || len(b) != 32 {
		t.Errorf("the secret part holds %d octets, %v", len(b), err)
	}
	if k.CreatedBy != "socket:1000" || k.Name != "demo" || !k.CreatedAt.Equal(zone) {
		t.Errorf("got %+v", k)
	}
	for key, value := range h.db.All() {
		if strings.Contains(string(value), m[2]) || strings.Contains(string(value), h.password) {
			t.Errorf("a secret stands in the store at %s", key)
		}
	}
	p, err := h.byKey(secret)
	if err != nil || p.ID() != "agent:demo" || p.Credential.ID != k.ID || p.Agent != "demo" ||
		p.AgentRef != "ref-1" || p.UID != -1 || !p.Covers(box) || !p.Covers(second) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestOnlyTheWholeSecretOpens(t *testing.T) {
	h := open(t)
	_, secret, _ := h.key(socket, registry.KeyRequest{Kind: "agent", Owner: "demo"})
	_, another, _ := h.key(socket, registry.KeyRequest{Kind: "agent", Owner: "other"})
	if _, err := h.byKey(secret); err != nil {
		t.Fatal(err)
	}
	for i := range len(secret) {
		for _, c := range []byte{'A', '_', 0, secret[i] ^ 0x20} {
			bent := secret[:i] + string(rune(c)) + secret[i+1:]
			if bent == secret {
				continue
			}
			if _, err := h.byKey(bent); !errors.Is(err, registry.ErrCredentials) {
				t.Errorf("octet %d as %q opens: %v", i, c, err)
			}
		}
	}
	for _, s := range []string{
		"", "mm_live_", secret[:len(secret)-1], secret + "A", " " + secret, secret + "\n",
		secret[:35] + another[35:], strings.ToLower(secret), strings.Repeat("mm_live_", 1<<16),
	} {
		if _, err := h.byKey(s); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%.80q opens: %v", s, err)
		}
	}
}

func TestTheFirstApproverIsMadeOnceFromThePlainSocket(t *testing.T) {
	first := registry.KeyRequest{Kind: "approver", Owner: "ann", Scopes: scopes("oversight")}
	for _, c := range []struct {
		name string
		bend func(*registry.KeyRequest)
		ok   bool
	}{
		{"one that decides everywhere", func(*registry.KeyRequest) {}, true},
		{"one that only sees",
			func(q *registry.KeyRequest) { q.Scopes = scopes("oversight_read") }, false},
		{"one of a single mailbox",
			func(q *registry.KeyRequest) { q.Mailboxes = []mail.Address{box} }, false},
	} {
		q := first
		c.bend(&q)
		_, _, err := open(t).key(socket, q)
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	h := open(t)
	admin := h.holder("admin", "max", nil, "admin")
	if _, _, err := h.key(admin, first); !errors.Is(err, registry.ErrForbidden) {
		t.Errorf("an admin made the first approver: %v", err)
	}
	k, _, err := h.key(socket, first)
	if err != nil {
		t.Fatal(err)
	}
	h.must(func(tx store.Tx) error { return h.reg.RevokeKey(tx, dev, k.ID) })
	if _, _, err := h.key(socket, first); !errors.Is(err, registry.ErrForbidden) {
		t.Errorf("revoking opened the door again: %v", err)
	}
	if _, _, err := h.key(dev, first); err != nil {
		t.Errorf("the dev socket cannot help: %v", err)
	}
	var kinds []string
	for _, e := range h.entries() {
		kind := string(e.Record().Kind)
		if kind == "approver.add" || strings.HasPrefix(kind, "key.") {
			kinds = append(kinds, kind)
		}
	}
	want := "key.create approver.add key.create key.revoke key.create"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("entries: got %s, want %s", got, want)
	}
}

// Nobody comes to hold both scopes by making a second key for themselves, in
// however many steps.
func TestNoChainOfKeysLeadsFromSendingToDeciding(t *testing.T) {
	base := open(t)
	starts := []registry.Principal{
		base.holder("agent", "demo", nil, "read", "send"),
		base.holder("approver", "ann", nil, "oversight", "oversight_read"),
		base.holder("approver", "vic", nil, "oversight_read"),
		base.holder("admin", "max", nil, "admin", "read", "oversight_read"),
	}
	for _, start := range starts {
		h := base.clone(t)
		lineage, sends, decides := []registry.Principal{start}, false, false
		for i := 0; i < len(lineage) && i < 20; i++ {
			sends = sends || lineage[i].Has("send")
			decides = decides || lineage[i].Has("oversight")
			for _, kind := range []registry.Kind{"agent", "approver", "admin"} {
				owner := "demo"
				if kind != "agent" {
					owner = "new-" + string(kind)
				}
				k, secret, err := h.key(lineage[i], registry.KeyRequest{
					Kind: kind, Owner: owner, Scopes: kind.Scopes()})
				if err != nil {
					continue
				}
				if k.CreatedBy != lineage[i].ID() {
					t.Errorf("%s is not the maker of its key: %s", lineage[i].ID(), k.CreatedBy)
				}
				p, err := h.byKey(secret)
				if err != nil {
					t.Fatal(err)
				}
				lineage = append(lineage, p)
			}
		}
		if sends && decides {
			t.Errorf("%s came to send and to decide", start.ID())
		}
	}
}

func TestAKeyNeverReachesFurtherThanItsMaker(t *testing.T) {
	h := open(t)
	only := []mail.Address{box}
	h.holder("approver", "ann", nil, "oversight")
	h.mustBind(registry.BindingRequest{Kind: "approver", Owner: "bob", Issuer: "corp", Object: "p",
		Scopes: scopes("oversight")})
	bea := h.holder("approver", "bea", only, "oversight")
	low := h.holder("admin", "low", nil, "admin")
	for _, c := range []struct {
		name string
		by   registry.Principal
		q    registry.KeyRequest
		want error
	}{
		{"a limited approver makes one as limited", bea,
			registry.KeyRequest{Kind: "approver", Owner: "new", Mailboxes: only,
				Scopes: scopes("oversight", "oversight_read")}, nil},
		{"a limited approver makes one in a colleague's name", bea,
			registry.KeyRequest{Kind: "approver", Owner: "ann", Mailboxes: only, Scopes: scopes("oversight")},
			registry.ErrForbidden},
		{"a limited approver makes one in the name of a colleague who has only tokens", bea,
			registry.KeyRequest{Kind: "approver", Owner: "bob", Mailboxes: only, Scopes: scopes("oversight")},
			registry.ErrForbidden},
		{"a limited approver makes one in a name that is none", bea,
			registry.KeyRequest{Kind: "approver", Owner: "../bob", Mailboxes: only, Scopes: scopes("oversight")},
			registry.ErrInvalid},
		{"a limited approver makes one of another mailbox", bea,
			registry.KeyRequest{Kind: "approver", Owner: "new", Scopes: scopes("oversight"),
				Mailboxes: []mail.Address{box, other}}, registry.ErrForbidden},
		{"a limited approver makes one of all", bea,
			registry.KeyRequest{Kind: "approver", Owner: "new", Scopes: scopes("oversight")},
			registry.ErrForbidden},
		{"an admin that cannot read makes one that can", low,
			registry.KeyRequest{Kind: "admin", Owner: "new", Scopes: scopes("admin", "read")},
			registry.ErrForbidden},
		{"an agent's key for another's mailbox", socket,
			registry.KeyRequest{Kind: "agent", Owner: "demo", Mailboxes: []mail.Address{other}},
			registry.ErrInvalid},
		{"a key for a mailbox that is not here", socket,
			registry.KeyRequest{Kind: "agent", Owner: "demo",
				Mailboxes: []mail.Address{mail.MustAddress("x@example.test")}}, registry.ErrNotFound},
		{"a key for no mailbox", socket,
			registry.KeyRequest{Kind: "agent", Owner: "demo", Mailboxes: []mail.Address{}},
			registry.ErrInvalid},
		{"an admin's key limited to a mailbox", socket,
			registry.KeyRequest{Kind: "admin", Owner: "new", Scopes: scopes("admin"),
				Mailboxes: only},
			registry.ErrInvalid},
		{"a key for an agent that is not here", socket,
			registry.KeyRequest{Kind: "agent", Owner: "nobody"}, registry.ErrNotFound},
		{"a key whose label breaks the line", socket,
			registry.KeyRequest{Kind: "agent", Owner: "demo", Name: "a\nb"}, registry.ErrInvalid},
	} {
		c2 := h.clone(t)
		if _, _, err := c2.key(c.by, c.q); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestEveryoneMayRevokeTheKeyTheyHold(t *testing.T) {
	h := open(t)
	for _, p := range []registry.Principal{
		h.holder("agent", "demo", nil, "read"),
		h.holder("approver", "vic", nil, "oversight_read"),
		h.holder("approver", "bea", []mail.Address{box}, "oversight"),
		h.holder("admin", "ron", nil, "read"),
	} {
		err := h.update(func(tx store.Tx) error { return h.reg.RevokeKey(tx, p, p.Credential.ID) })
		if err != nil {
			t.Errorf("%s: %v", p.ID(), err)
		}
		if _, err := h.current(p); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s is still current: %v", p.ID(), err)
		}
		n := len(h.entries())
		h.must(func(tx store.Tx) error { return h.reg.RevokeKey(tx, socket, p.Credential.ID) })
		if len(h.entries()) != n {
			t.Errorf("%s: revoking twice was recorded twice", p.ID())
		}
	}
	for _, id := range []string{"", "x", string(mail.NewID(zone)), "../agent/demo"} {
		err := h.update(func(tx store.Tx) error { return h.reg.RevokeKey(tx, socket, id) })
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("revoked %q: %v", id, err)
		}
	}
}

func FuzzByKey(f *testing.F) {
	h := open(f)
	_, secret, err := h.key(socket, registry.KeyRequest{Kind: "agent", Owner: "demo"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("mm_live_")
	f.Add("mm_live_" + strings.Repeat("0", 26) + "_" + strings.Repeat("A", 43))
	f.Add(strings.Repeat("/", 78))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := h.byKey(s); s != secret && !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%q: %v", s, err)
		}
	})
}
