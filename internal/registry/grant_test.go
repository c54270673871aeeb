package registry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// forBot asks for a grant of the agent demo.
var forBot = registry.GrantRequest{Kind: registry.KindAgent, Owner: "demo", Client: "mmc_1",
	Resource: "https://m.test/mcp", Scopes: scopes("read", "send")}

func (h *fixture) grant(q registry.GrantRequest) (g registry.Grant) {
	h.must(func(tx store.Tx) (err error) {
		g, err = h.reg.Grant(tx, dev, q, false)
		return err
	})
	return g
}

func grantOperations() []operation {
	return []operation{
		{"grant an agent's rights", "MSD", "grant.add", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.Grant(tx, p, forBot, false)
				return err
			}},
		{"end a grant of an agent", "AMSDOKL", "grant.end", false, func(h *fixture) { h.grant(forBot) },
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				all, err := h.reg.Grants(tx)
				if err != nil || len(all) != 1 {
					return errors.Join(err, errors.New("there is not one grant"))
				}
				return h.reg.EndGrant(tx, p, all[0].ID)
			}},
	}
}

// ofGrant is a good token of a grant; change makes it another one.
func ofGrant(g registry.Grant, change func(*registry.Token)) registry.Token {
	t := registry.Token{Issuer: registry.LocalIssuer, Shape: registry.ShapeGranted, Object: g.ID, Client: g.Client,
		Audience: g.Resource, Scopes: g.Scopes, Expires: zone.Add(time.Hour)}
	if change != nil {
		change(&t)
	}
	return t
}

func TestATokenOfAGrantIsWorthWhatTheGrantIsNow(t *testing.T) {
	h := open(t)
	g := h.grant(forBot)
	p, err := h.byToken(ofGrant(g, nil))
	if err != nil || p.ID() != "agent:demo" || !p.Has(registry.ScopeSend) || !p.Covers(box) {
		t.Fatalf("%+v %v", p, err)
	}
	for name, change := range map[string]func(*registry.Token){
		"another client":   func(t *registry.Token) { t.Client = "mmc_2" },
		"another audience": func(t *registry.Token) { t.Audience = "https://m.test/v1" },
		"no audience":      func(t *registry.Token) { t.Audience = "" },
		"expired":          func(t *registry.Token) { t.Expires = zone.Add(-time.Hour) },
		"another grant":    func(t *registry.Token) { t.Object = string(mail.NewID(zone)) },
		"no grant":         func(t *registry.Token) { t.Object = "" },
		"both":             func(t *registry.Token) { t.Scopes = scopes("send", "oversight") },
	} {
		if _, err := h.byToken(ofGrant(g, change)); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wide, err := h.byToken(ofGrant(g, func(t *registry.Token) { t.Scopes = scopes("read", "admin", "oversight") }))
	if err != nil || wide.Has(registry.ScopeSend) || wide.Has(registry.ScopeAdmin) || wide.Has(registry.ScopeOversight) {
		t.Errorf("a token gives what the grant does not: %v %v", wide.Scopes, err)
	}
	h.must(func(tx store.Tx) error { return h.reg.EndGrant(tx, p, g.ID) })
	if _, err := h.current(p); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("a session outlives its grant: %v", err)
	}
}

func TestAGrantEndsWithItsAgentAndFollowsItsMailboxes(t *testing.T) {
	h := open(t)
	q := forBot
	q.Mailboxes = []mail.Address{second}
	p, err := h.byToken(ofGrant(h.grant(q), nil))
	if err != nil || p.Covers(box) || !p.Covers(second) {
		t.Errorf("%v %v", p.Mailboxes, err)
	}
	h.must(func(tx store.Tx) error { return h.reg.DisableAgent(tx, dev, "demo") })
	if _, err := h.current(p); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("%v", err)
	}
}

func TestGrantsThatCannotBeAreRefused(t *testing.T) {
	h := open(t)
	person := mail.Person{Issuer: "corp", Tenant: "t1", ID: "person-2"}
	for name, change := range map[string]func(*registry.GrantRequest){
		"sending and deciding": func(q *registry.GrantRequest) { q.Scopes = scopes("send", "oversight") },
		"an agent that admins": func(q *registry.GrantRequest) { q.Scopes = scopes("admin") },
		"no such agent":        func(q *registry.GrantRequest) { q.Owner = "nobody" },
		"another's mailbox": func(q *registry.GrantRequest) {
			q.Mailboxes = []mail.Address{mail.MustAddress("x@example.com")}
		},
		"no client":   func(q *registry.GrantRequest) { q.Client = "" },
		"no resource": func(q *registry.GrantRequest) { q.Resource = "" },
		"an approver": func(q *registry.GrantRequest) {
			q.Kind, q.Owner, q.Scopes = "approver", "ann", scopes("oversight")
		},
		"another admin": func(q *registry.GrantRequest) { q.Kind, q.Owner, q.Scopes = "admin", "max", scopes("admin") },
	} {
		q := forBot
		change(&q)
		err := h.update(func(tx store.Tx) error { _, err := h.reg.Grant(tx, dev, q, false); return err })
		if err == nil {
			t.Errorf("an admin grants: %s", name)
		}
		err = h.update(func(tx store.Tx) error { _, err := h.reg.GrantAsPerson(tx, person, q); return err })
		if err == nil {
			t.Errorf("a person grants: %s", name)
		}
	}
	for _, nobody := range []mail.Person{{}, {Issuer: registry.LocalIssuer, ID: "admin:max"}} {
		err := h.update(func(tx store.Tx) error { _, err := h.reg.GrantAsPerson(tx, nobody, forBot); return err })
		if !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("%q: %v", nobody, err)
		}
	}
}

func TestWhoGrantedAsAnAdminCountsAsThePerson(t *testing.T) {
	h := open(t)
	admin := mail.Person{Issuer: registry.LocalIssuer, ID: dev.ID()}
	since := zone.Add(-time.Hour)
	ann := h.holder("approver", "ann", nil, "oversight") // made by dev since then
	h.must(func(tx store.Tx) error {
		if is, err := h.reg.IsPerson(tx, ann, admin, since); err != nil || !is {
			t.Errorf("who granted makes an approver and decides: %t %v", is, err)
		}
		if is, err := h.reg.IsPerson(tx, ann, admin, zone.Add(time.Hour)); err != nil || is {
			t.Errorf("an approver of before counts too: %t %v", is, err)
		}
		return nil
	})
}
