package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// An agent with every id it can have, and a person.
var (
	robot = registry.BindingRequest{Kind: "agent", Owner: "demo", Issuer: "corp", Tenant: "t1",
		Object: "agent-object", Client: "agent-client", Account: "agent-user"}
	boss = registry.BindingRequest{Kind: "approver", Owner: "ann", Issuer: "corp", Tenant: "t1",
		Object: "person-1", Scopes: scopes("oversight", "oversight_read")}
	collector = registry.BindingRequest{Kind: "admin", Owner: "siem", Issuer: "corp", Tenant: "t1",
		Object: "collector", Scopes: scopes("audit_read", "tighten")}
)

// bind binds an identity as the dev socket.
func (h *fixture) bind(q registry.BindingRequest) (b registry.Binding, err error) {
	err = h.update(func(tx store.Tx) error {
		b, err = h.reg.Bind(tx, dev, q)
		return err
	})
	return b, err
}

func (h *fixture) mustBind(q registry.BindingRequest) registry.Binding {
	h.t.Helper()
	b, err := h.bind(q)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h *fixture) byToken(t registry.Token) (p registry.Principal, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.ByToken(tx, t)
		return err
	})
	return p, err
}

// autonomous is a good token of robot; change makes it another one.
func autonomous(change func(*registry.Token)) registry.Token {
	t := registry.Token{Issuer: "corp", Tenant: "t1", Shape: registry.ShapeAutonomous, Object: "agent-object",
		Client: "agent-client", Blueprint: "print", Scopes: scopes("read", "send"), Expires: zone.Add(time.Hour)}
	if change != nil {
		change(&t)
	}
	return t
}

func bindingOperations() []operation {
	bind := func(q registry.BindingRequest) func(*fixture, store.Tx, registry.Principal) error {
		return func(h *fixture, tx store.Tx, p registry.Principal) error {
			_, err := h.reg.Bind(tx, p, q)
			return err
		}
	}
	one := boss
	one.Owner, one.Mailboxes = "new", []mail.Address{box}
	return []operation{
		{"bind an agent", "MSD", "binding.add", false, nil, bind(robot)},
		{"bind a collector of the log", "MSD", "binding.add", false, nil, bind(collector)},
		{"bind an approver", "AD", "binding.add", false, nil, bind(boss)},
		{"bind an approver of one mailbox", "ABD", "binding.add", false, nil, bind(one)},
		{"unbind an agent", "AMSDT", "binding.end", false, func(h *fixture) { h.mustBind(robot) },
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				all, err := h.reg.Bindings(tx)
				if err != nil || len(all) != 1 {
					return errors.Join(err, errors.New("there is not one binding"))
				}
				return h.reg.Unbind(tx, p, all[0].ID)
			}},
	}
}

func TestATokenIsThePrincipalThatItsIdentityIsBoundTo(t *testing.T) {
	h := open(t)
	h.mustBind(robot)
	h.mustBind(boss)
	for _, c := range []struct {
		name  string
		token registry.Token
		want  string // id of the principal and the human behind it; "" for nobody
	}{
		{"an agent by itself", autonomous(nil), "agent:demo "},
		{"for a person", autonomous(func(t *registry.Token) { t.Shape, t.Object = registry.ShapeDelegated, "person-2" }),
			"agent:demo corp:t1:person-2"},
		{"as its own user account", autonomous(func(t *registry.Token) {
			t.Shape, t.Object = registry.ShapeAccount, "agent-user"
		}), "agent:demo "},
		{"a person", autonomous(func(t *registry.Token) {
			t.Shape, t.Object, t.Client, t.Scopes = registry.ShapePerson, "person-1", "any", scopes("oversight")
		}), "approver:ann corp:t1:person-1"},

		{"another issuer", autonomous(func(t *registry.Token) { t.Issuer = "corp2" }), ""},
		{"another tenant", autonomous(func(t *registry.Token) { t.Tenant = "t2" }), ""},
		{"no tenant", autonomous(func(t *registry.Token) { t.Tenant = "" }), ""},
		{"an id in other letters", autonomous(func(t *registry.Token) { t.Object = "Agent-Object" }), ""},
		{"no object", autonomous(func(t *registry.Token) { t.Object = "" }), ""},
		{"its client id as the object", autonomous(func(t *registry.Token) { t.Object = "agent-client" }), ""},
		{"its user account as the object", autonomous(func(t *registry.Token) { t.Object = "agent-user" }), ""},
		{"of another client", autonomous(func(t *registry.Token) { t.Client = "other" }), ""},
		{"another user account", autonomous(func(t *registry.Token) { t.Shape, t.Object = registry.ShapeAccount, "x" }), ""},
		{"for nobody", autonomous(func(t *registry.Token) { t.Shape, t.Object = registry.ShapeDelegated, "" }), ""},
		{"for a person by no client", autonomous(func(t *registry.Token) {
			t.Shape, t.Client = registry.ShapeDelegated, ""
		}), ""},
		{"an agent in the shape of a person", autonomous(func(t *registry.Token) { t.Shape = registry.ShapePerson }), ""},
		{"a person in the shape of an agent", autonomous(func(t *registry.Token) { t.Object = "person-1" }), ""},
		{"no shape", autonomous(func(t *registry.Token) { t.Shape = "" }), ""},
		{"expired now", autonomous(func(t *registry.Token) { t.Expires = zone }), ""},
		{"sending and deciding", autonomous(func(t *registry.Token) { t.Scopes = scopes("send", "oversight") }), ""},
		{"sending and reading the log", autonomous(func(t *registry.Token) { t.Scopes = scopes("send", "audit_read") }), ""},
	} {
		p, err := h.byToken(c.token)
		if c.want == "" {
			if !errors.Is(err, registry.ErrCredentials) {
				t.Errorf("%s: got %s, %v", c.name, p.ID(), err)
			}
			continue
		}
		var who mail.Person
		if i := p.Identity(); err == nil {
			who = i.Person
		}
		if got := p.ID() + " " + who.String(); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
		if p.Kind == registry.KindAgent && p.AgentRef != "agent-object" {
			t.Errorf("%s: agent_ref %q is not the agent's object id", c.name, p.AgentRef)
		}
	}
}

// A collector of the log may be a program or a person; it never comes to configure.
func TestAnIdentityThatReadsTheLogIsAnAdminWithThatAlone(t *testing.T) {
	h := open(t)
	h.mustBind(collector)
	for shape, want := range map[registry.TokenShape]string{registry.ShapeAutonomous: "admin:siem",
		registry.ShapePerson: "admin:siem", registry.ShapeDelegated: "", registry.ShapeAccount: ""} {
		p, err := h.byToken(autonomous(func(t *registry.Token) {
			t.Shape, t.Object, t.Scopes = shape, "collector", scopes("audit_read", "admin", "read")
		}))
		if want == "" {
			if !errors.Is(err, registry.ErrCredentials) {
				t.Errorf("%s: got %s, %v", shape, p.ID(), err)
			}
			continue
		}
		if err != nil || p.ID() != want || !slices.Equal(p.Scopes, scopes("audit_read")) ||
			!slices.Equal(p.Possible(), scopes("audit_read", "tighten")) {
			t.Errorf("%s: got %s with %v of %v, %v", shape, p.ID(), p.Scopes, p.Possible(), err)
		}
	}
}

// later lets time pass.
func later(d time.Duration) func(*fixture, registry.Binding) {
	return func(h *fixture, _ registry.Binding) { h.db.Time = h.db.Time.Add(d) }
}

// What a token allows is what token, binding and agent allow at this moment.
func TestATokenGivesWhatAllOfItsGroundsAllow(t *testing.T) {
	only := []mail.Address{second}
	for _, c := range []struct {
		name   string
		bind   func(*registry.BindingRequest)
		token  func(*registry.Token)
		after  func(*fixture, registry.Binding)
		scopes string
		boxes  int
	}{
		{"everything", nil, nil, nil, "read send", 2},
		{"a read token", nil, func(t *registry.Token) { t.Scopes = scopes("read") }, nil, "read", 2},
		{"a token of no scope", nil, func(t *registry.Token) { t.Scopes = nil }, nil, "", 2},
		{"scopes that no agent has", nil, func(t *registry.Token) {
			t.Scopes = scopes("read", "admin", "oversight_read")
		}, nil, "read", 2},
		{"a read binding", func(q *registry.BindingRequest) { q.Scopes = scopes("read") }, nil, nil, "read", 2},
		{"one mailbox", func(q *registry.BindingRequest) { q.Mailboxes = only }, nil, nil, "read send", 1},
		{"time passes", nil, nil, later(time.Hour - 1), "read send", 2},

		{"it expires", nil, nil, later(time.Hour), "none", 0},
		{"it is unbound", nil, nil, func(h *fixture, b registry.Binding) {
			h.must(func(tx store.Tx) error { return h.reg.Unbind(tx, socket, b.ID) })
		}, "none", 0},
		{"it is unbound and bound again", nil, nil, func(h *fixture, b registry.Binding) {
			h.must(func(tx store.Tx) error { return h.reg.Unbind(tx, socket, b.ID) })
			h.mustBind(robot)
		}, "none", 0},
		{"the agent is disabled", nil, nil, func(h *fixture, _ registry.Binding) {
			h.must(func(tx store.Tx) error { return h.reg.DisableAgent(tx, socket, "demo") })
		}, "none", 0},
	} {
		h, q := open(t), robot
		if c.bind != nil {
			c.bind(&q)
		}
		b := h.mustBind(q)
		p, err := h.byToken(autonomous(c.token))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.after != nil {
			c.after(h, b)
		}
		p.Scopes, p.Mailboxes = everyScope, []mail.Address{box, second, other} // only claimed
		now, err := h.current(p)
		if c.scopes == "none" {
			if !errors.Is(err, registry.ErrCredentials) {
				t.Errorf("%s: %+v is current, %v", c.name, now, err)
			}
			continue
		}
		got := strings.Trim(fmt.Sprint(now.Scopes), "[]")
		if err != nil || got != c.scopes || len(now.Mailboxes) != c.boxes {
			t.Errorf("%s: got %q for %v, %v", c.name, got, now.Mailboxes, err)
		}
	}
}

func TestAnIdentityIsOnePrincipalAtMost(t *testing.T) {
	h := open(t)
	b := h.mustBind(robot)
	for _, q := range []registry.BindingRequest{
		robot,
		{Kind: "agent", Owner: "other", Issuer: "corp", Tenant: "t1", Object: "agent-client"},
		{Kind: "agent", Owner: "other", Issuer: "corp", Tenant: "t1", Object: "new", Client: "agent-object"},
		{Kind: "agent", Owner: "other", Issuer: "corp", Tenant: "t1", Object: "new", Client: "c", Account: "agent-user"},
		// An agent's own user account never becomes an approver.
		{Kind: "approver", Owner: "ann", Issuer: "corp", Tenant: "t1", Object: "agent-user", Scopes: scopes("oversight")},
	} {
		if _, err := h.bind(q); !errors.Is(err, registry.ErrExists) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	elsewhere := robot
	elsewhere.Owner, elsewhere.Tenant = "other", "t2"
	h.mustBind(elsewhere)
	h.must(func(tx store.Tx) error { return h.reg.Unbind(tx, socket, b.ID) })
	again := robot
	again.Owner = "other"
	h.mustBind(again)
	if p, err := h.byToken(autonomous(nil)); err != nil || p.Name != "other" {
		t.Errorf("after it was bound anew the token is %s, %v", p.ID(), err)
	}
}

func TestBadBindingsAreRefused(t *testing.T) {
	h := open(t)
	with := func(change func(*registry.BindingRequest)) registry.BindingRequest {
		q := robot
		change(&q)
		return q
	}
	bad := []registry.BindingRequest{
		with(func(q *registry.BindingRequest) { q.Kind = "admin" }),
		with(func(q *registry.BindingRequest) { q.Kind = "" }),
		with(func(q *registry.BindingRequest) { q.Owner = "nobody" }),
		with(func(q *registry.BindingRequest) { q.Issuer = "" }),
		with(func(q *registry.BindingRequest) { q.Issuer = "https://x" }),
		with(func(q *registry.BindingRequest) { q.Object = "" }),
		with(func(q *registry.BindingRequest) { q.Client = "" }),
		with(func(q *registry.BindingRequest) { q.Object = "a b" }),
		with(func(q *registry.BindingRequest) { q.Object = "a\n" }),
		with(func(q *registry.BindingRequest) { q.Object = "ä" }),
		with(func(q *registry.BindingRequest) { q.Object = strings.Repeat("x", 129) }),
		with(func(q *registry.BindingRequest) { q.Tenant = strings.Repeat("x", 65) }),
		with(func(q *registry.BindingRequest) { q.Scopes = scopes("send", "oversight") }),
		with(func(q *registry.BindingRequest) { q.Scopes = scopes("admin") }),
		with(func(q *registry.BindingRequest) { q.Scopes = scopes("read", "audit_read") }),
		{Kind: "admin", Owner: "siem", Issuer: "corp", Object: "p"},
		{Kind: "admin", Owner: "siem", Issuer: "corp", Object: "p", Scopes: scopes("audit_read", "admin")},
		{Kind: "admin", Owner: "siem", Issuer: "corp", Object: "p", Scopes: scopes("audit_read", "read")},
		{Kind: "admin", Owner: "siem", Issuer: "corp", Object: "p", Scopes: scopes("audit_read"), Client: "c"},
		{Kind: "admin", Owner: "siem", Issuer: "corp", Object: "p", Scopes: scopes("audit_read"),
			Mailboxes: []mail.Address{box}},
		{Kind: "approver", Owner: "ann", Issuer: "corp", Object: "p", Scopes: scopes("oversight", "audit_read")},
		with(func(q *registry.BindingRequest) { q.Mailboxes = []mail.Address{other} }),
		with(func(q *registry.BindingRequest) { q.Mailboxes = []mail.Address{} }),
		{Kind: "approver", Owner: "ann", Issuer: "corp", Object: "p"},
		{Kind: "approver", Owner: "ann", Issuer: "corp", Object: "p", Client: "c", Scopes: scopes("oversight")},
		{Kind: "approver", Owner: "demo", Issuer: "corp", Object: "p", Scopes: scopes("oversight")},
	}
	entries := len(h.entries())
	for _, q := range bad {
		var e *mail.Error
		if _, err := h.bind(q); !errors.As(err, &e) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	h.must(func(tx store.Tx) error {
		if all, err := h.reg.Bindings(tx); err != nil || len(all) != 0 {
			t.Errorf("%d bindings, %v", len(all), err)
		}
		return nil
	})
	if n := len(h.entries()); n != entries {
		t.Errorf("%d entries of refused bindings", n-entries)
	}
}

func TestAPersonStaysThePersonWhateverCredentialIsUsed(t *testing.T) {
	h := open(t)
	ann := h.holder("approver", "ann", nil, "oversight", "oversight_read")
	vic := h.holder("approver", "vic", nil, "oversight", "oversight_read")
	b := h.mustBind(boss)
	who := mail.Person{Issuer: "corp", Tenant: "t1", ID: "person-1"}
	is := func(p registry.Principal, who mail.Person) (yes bool) {
		h.must(func(tx store.Tx) (err error) {
			yes, err = h.reg.IsPerson(tx, p, who, zone)
			return err
		})
		return yes
	}
	check := func(when string) {
		t.Helper()
		if !is(ann, who) || is(vic, who) || is(ann, mail.Person{}) {
			t.Errorf("%s: ann %t, vic %t, nobody %t", when, is(ann, who), is(vic, who), is(ann, mail.Person{}))
		}
		for _, other := range []mail.Person{{Issuer: "corp2", Tenant: "t1", ID: "person-1"},
			{Issuer: "corp", Tenant: "t2", ID: "person-1"}, {Issuer: "corp", Tenant: "t1", ID: "person-2"}} {
			if is(ann, other) {
				t.Errorf("%s: ann is %s", when, other)
			}
		}
	}
	check("bound")
	h.must(func(tx store.Tx) error { return h.reg.Unbind(tx, dev, b.ID) })
	check("unbound") // ending a binding is no way to decide over one's own mail
	capitals := boss
	capitals.Owner, capitals.Tenant, capitals.Object = "vic", "T9", "PERSON-9"
	h.mustBind(capitals)
	if !is(vic, mail.Person{Issuer: "corp", Tenant: "t9", ID: "person-9"}) {
		t.Error("vic, who is bound in capitals, is taken for another person")
	}
}

func bindingEdits(h *fixture) []edit {
	b, at := h.record("binding/", `"owner":"demo"`), h.record("bound/", "")
	return []edit{
		{"the owner of a binding", edited(b, map[string]any{"owner": "other"}), "agent other"},
		{"the object of a binding", edited(b, map[string]any{"object": "eve"}), "not its own"},
		{"a binding is gone", removed(b), "no such binding"},
		{"an index entry of another id", copied(at, "bound/eve"), "not its own"},
		{"an ended binding that works", edited(b, map[string]any{"ended_at": "2031-05-04T12:00:00Z"}), "not its own"},
	}
}
