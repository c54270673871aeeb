package registry_test

import (
	"bytes"
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
		{"end a grant of an agent", "AMSDT", "grant.end", false, func(h *fixture) { h.grant(forBot) },
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
		"the log too":      func(t *registry.Token) { t.Scopes = scopes("send", "audit_read") },
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
		"sending and the log":  func(q *registry.GrantRequest) { q.Scopes = scopes("send", "audit_read") },
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

// lost are the ways in which an admin who granted loses the right to. What it granted with is a
// key, and a key has no end but to be revoked.
var lost = map[string]func(h *fixture, with string, records map[string][]byte){
	"revoked": func(h *fixture, with string, _ map[string][]byte) {
		h.must(func(tx store.Tx) error { return h.reg.RevokeKey(tx, dev, with) })
	},
	"gone": func(_ *fixture, with string, records map[string][]byte) { delete(records, "key/"+with) },
	"narrowed": func(_ *fixture, with string, records map[string][]byte) {
		records["key/"+with] = bytes.Replace(records["key/"+with], []byte(`"admin","oversight_read"`),
			[]byte(`"oversight_read"`), 1)
	},
	"of another": func(_ *fixture, with string, records map[string][]byte) {
		records["key/"+with] = bytes.Replace(records["key/"+with], []byte(`"owner":"max"`), []byte(`"owner":"moe"`), 1)
	},
}

func TestWhatAnAdminGrantedEndsWithTheKeyItWasGrantedWith(t *testing.T) {
	for name, lose := range lost {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			max := h.holder("admin", "max", nil, "admin", "read", "oversight_read")
			h.holder("admin", "max", nil, "admin", "read", "oversight_read") // another key of max is no help
			grants := map[string]registry.Grant{}
			h.must(func(tx store.Tx) (err error) {
				own := registry.GrantRequest{Kind: "admin", Owner: "max", Client: "mmc_1", Resource: "https://m.test/v1",
					Scopes: scopes("admin", "read")}
				if grants["agent"], err = h.reg.Grant(tx, max, forBot, false); err == nil {
					grants["admin"], err = h.reg.Grant(tx, max, own, false)
				}
				return err
			})
			var open []registry.Principal
			for kind, g := range grants {
				p, err := h.byToken(ofGrant(g, nil))
				if err != nil || !h.active(g) {
					t.Fatalf("%s: %v", kind, err)
				}
				open = append(open, p)
			}
			key := h.keyBy(open, "made")
			if name == "revoked" {
				lose(h, max.Credential.ID, nil)
			} else {
				h.db.Edit(func(records map[string][]byte) { lose(h, max.Credential.ID, records) })
			}
			for kind, g := range grants {
				if _, err := h.byToken(ofGrant(g, nil)); !errors.Is(err, registry.ErrCredentials) || h.active(g) {
					t.Errorf("the token of %s is good: %v", kind, err)
				}
			}
			for _, p := range open {
				if _, err := h.current(p); !errors.Is(err, registry.ErrCredentials) {
					t.Errorf("a session of %s is open: %v", p.ID(), err)
				}
				h.must(func(tx store.Tx) error {
					if _, err := h.reg.Lasting(tx, p); !errors.Is(err, registry.ErrCredentials) {
						t.Errorf("a webhook of %s goes on: %v", p.ID(), err)
					}
					return nil
				})
			}
			if _, err := h.byKey(key); err != nil {
				t.Errorf("a key that was made with the grant is gone: %v", err)
			}
		})
	}
}

// active reports whether a grant is shown as active.
func (h *fixture) active(g registry.Grant) (is bool) {
	h.t.Helper()
	h.must(func(tx store.Tx) (err error) { is, err = h.reg.GrantIsActive(tx, g); return err })
	return is
}

// keyBy makes an admin's key with the grant of an admin, and checks that the log names the grant.
func (h *fixture) keyBy(of []registry.Principal, owner string) (secret string) {
	h.t.Helper()
	for _, p := range of {
		if p.Kind != registry.KindAdmin {
			continue
		}
		_, made, err := h.key(p, registry.KeyRequest{Kind: "admin", Owner: owner, Scopes: scopes("admin")})
		if err != nil {
			h.t.Fatal(err)
		}
		all := h.entries()
		if last := all[len(all)-1].Record(); last.Kind != "key.create" || last.Private["credential"] != p.Credential.ID {
			h.t.Errorf("%+v does not name the grant", last)
		}
		secret = made
	}
	return secret
}

// A person grants for an agent while the configuration lets it, and the judge says.
func TestAPersonsGrantForAnAgentIsJudgedAtEachUse(t *testing.T) {
	h := open(t)
	person := mail.Person{Issuer: "corp", Tenant: "t1", ID: "person-2"}
	q := forBot
	q.Roles = []string{"Mail.Agents"}
	var g registry.Grant
	h.must(func(tx store.Tx) (err error) { g, err = h.reg.GrantAsPerson(tx, person, q); return err })
	if _, err := h.byToken(ofGrant(g, nil)); !errors.Is(err, registry.ErrCredentials) || h.active(g) {
		t.Errorf("without a judge: %v", err)
	}
	yes := true
	h.reg.JudgeGrants(func(asked registry.Grant, now time.Time) bool {
		return yes && asked.ID == g.ID && asked.Person == person && asked.Roles[0] == "Mail.Agents" && !now.IsZero()
	})
	p, err := h.byToken(ofGrant(g, nil))
	if err != nil || !h.active(g) {
		t.Fatal(err)
	}
	yes = false
	if _, err := h.current(p); !errors.Is(err, registry.ErrCredentials) || h.active(g) {
		t.Errorf("against the judge: %v", err)
	}
	h.must(func(tx store.Tx) error {
		if _, err := h.reg.Lasting(tx, p); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("a webhook goes on: %v", err)
		}
		return nil
	})
}

func TestAPersonWhoseIdDiffersInCaseGrantsNothingAsTheApprover(t *testing.T) {
	h := open(t)
	h.holder("approver", "first", nil, "oversight")
	h.mustBind(boss)
	asApprover := registry.GrantRequest{Kind: "approver", Owner: "ann", Client: "mmc_1", Resource: "https://m.test/mcp",
		Scopes: scopes("oversight")}
	person := mail.Person{Issuer: "corp", Tenant: "t1", ID: boss.Object}
	grant := func(who mail.Person, q registry.GrantRequest) error {
		return h.update(func(tx store.Tx) error { _, err := h.reg.GrantAsPerson(tx, who, q); return err })
	}
	for _, who := range []mail.Person{{Issuer: "corp", Tenant: "t1", ID: "Person-1"},
		{Issuer: "corp", Tenant: "T1", ID: boss.Object}} {
		if err := grant(who, asApprover); !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("%s decides as the approver: %v", who, err)
		}
		if err := grant(who, forBot); !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("%s may be the approver and sends: %v", who, err)
		}
	}
	if err := grant(person, asApprover); err != nil {
		t.Error(err)
	}
}

func TestAnApproversGrantIsShownAsWhatTheBindingIs(t *testing.T) {
	h := open(t)
	h.holder("approver", "first", nil, "oversight")
	person := mail.Person{Issuer: "corp", Tenant: "t1", ID: "person-2"}
	var b registry.Binding
	var g registry.Grant
	h.must(func(tx store.Tx) (err error) {
		b, err = h.reg.Bind(tx, dev, registry.BindingRequest{Kind: "approver", Owner: "ann", Issuer: "corp", Tenant: "t1",
			Object: "person-2", Scopes: scopes("oversight")})
		if err == nil {
			g, err = h.reg.GrantAsPerson(tx, person, registry.GrantRequest{Kind: "approver", Owner: "ann", Client: "mmc_1",
				Resource: "https://m.test/mcp", Scopes: scopes("oversight")})
		}
		return err
	})
	if !h.active(g) {
		t.Error("it is not active")
	}
	h.must(func(tx store.Tx) error { return h.reg.Unbind(tx, dev, b.ID) })
	if _, err := h.byToken(ofGrant(g, nil)); !errors.Is(err, registry.ErrCredentials) || h.active(g) {
		t.Errorf("the approver is unbound: %v", err)
	}
}

func TestAGrantOfADisabledAgentOrOneThatHasEndedIsNotShownAsActive(t *testing.T) {
	h := open(t)
	g, ended := h.grant(forBot), h.grant(forBot)
	h.must(func(tx store.Tx) error { return h.reg.EndGrantAs(tx, ended.ID, "client") })
	h.must(func(tx store.Tx) (err error) { ended, err = h.reg.GrantByID(tx, ended.ID); return err })
	if !h.active(g) || h.active(ended) {
		t.Error("the one that has ended is active, or the other one is not")
	}
	h.must(func(tx store.Tx) error { return h.reg.DisableAgent(tx, dev, "demo") })
	if h.active(g) {
		t.Error("the agent is disabled")
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
