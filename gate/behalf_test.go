package gate_test

import (
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// bound binds an agent and an approver to identities of one tenant, and returns
// who presents a token on behalf of the approver, and as the approver.
func (h *fixture) bound() (agent, person registry.Principal, binding registry.Binding) {
	h.Helper()
	t := registry.Token{Issuer: "corp", Tenant: "t1", Object: "ann-object", Client: "bot-client", Blueprint: "print",
		Shape: registry.ShapeDelegated, Scopes: []registry.Scope{registry.ScopeSend}, Expires: h.Clock.Now().Add(time.Hour)}
	h.Update(func(tx store.Tx) (err error) {
		if binding, err = h.Registry.Bind(tx, h.Operator, registry.BindingRequest{Kind: registry.KindAgent, Owner: "bot",
			Issuer: "corp", Tenant: "t1", Object: "bot-object", Client: "bot-client"}); err != nil {
			return err
		}
		if _, err := h.Registry.Bind(tx, h.Operator, registry.BindingRequest{Kind: registry.KindApprover, Owner: "ann",
			Issuer: "corp", Tenant: "t1", Object: "ann-object", Scopes: registry.KindApprover.Scopes()}); err != nil {
			return err
		}
		if agent, err = h.Registry.ByToken(tx, t); err != nil {
			return err
		}
		t.Shape, t.Scopes = registry.ShapePerson, []registry.Scope{registry.ScopeOversight}
		person, err = h.Registry.ByToken(tx, t)
		return err
	})
	return agent, person, binding
}

// The person that an agent acted for is who submitted the mail, whichever
// credential that person decides with.
func TestWhomAnAgentActedForNeverDecidesOverTheMail(t *testing.T) {
	h := build(t)
	agent, person, _ := h.bound()
	r, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test"))
	if err != nil {
		t.Fatal(err)
	}
	m := r.Mail
	want := mail.Identity{Issuer: "corp", Tenant: "t1", Agent: "bot-object", Client: "bot-client", Blueprint: "print",
		Shape: "on_behalf_of", Person: mail.Person{Issuer: "corp", Tenant: "t1", ID: "ann-object"}}
	if m.Identity == nil || *m.Identity != want || m.AgentRef != "bot-object" {
		t.Errorf("the mail is of %+v, agent_ref %q", m.Identity, m.AgentRef)
	}
	for name, p := range map[string]registry.Principal{"by token": person, "by key": h.Approver} {
		for _, yes := range []bool{true, false} {
			_, err := h.Gate.Decide(h.ctx, p, m.ID, gate.Decision{Approve: yes, Digest: m.Digest})
			if mail.WordOf(err) != "self" || h.Mail(m.ID).State != mail.Held {
				t.Errorf("%s, approve %t: %v, the mail is %s", name, yes, err, h.Mail(m.ID).State)
			}
		}
	}
	other, _, _ := h.AddKey(registry.KeyRequest{Kind: registry.KindApprover, Owner: "zoe",
		Scopes: []registry.Scope{registry.ScopeOversight}})
	if _, err := h.Gate.Decide(h.ctx, other, m.ID, gate.Decision{Approve: true, Digest: m.Digest}); err != nil {
		t.Errorf("another approver: %v", err)
	}
	h.Intact()
}

// An edit by another credential of the agent may keep every word of the person.
func TestWhomAnAgentActedForNeverDecidesOverAnEditOfTheMail(t *testing.T) {
	h := build(t)
	agent, person, _ := h.bound()
	later := h.Submission("ada@dest.test")
	later.NotBefore, later.Timing = h.Clock.Now().Add(time.Hour), mail.ScheduleFirst
	r, err := h.Gate.Submit(h.ctx, agent, later)
	if err != nil {
		t.Fatal(err)
	}
	for _, timing := range []mail.Timing{mail.ScheduleFirst, mail.GateFirst} { // the last one is held at once
		edit := h.Submission("ada@dest.test")
		edit.Replaces = r.Mail.ID
		edit.NotBefore, edit.Timing = later.NotBefore, timing
		if r, err = h.Gate.Submit(h.ctx, h.Agent, edit); err != nil {
			t.Fatal(err)
		}
	}
	if m := r.Mail; m.Identity != nil || len(m.Submitters()) != 2 || m.Submitters()[1].Person.ID != "ann-object" {
		t.Fatalf("the edit is of %+v", m.Submitters())
	}
	for name, p := range map[string]registry.Principal{"by token": person, "by key": h.Approver} {
		_, err := h.Gate.Decide(h.ctx, p, r.Mail.ID, gate.Decision{Digest: r.Mail.Digest})
		if mail.WordOf(err) != "self" || h.Mail(r.Mail.ID).State != mail.Held {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever an agent acted for makes no approver that decides instead.
func TestAnApproverMadeByThePersonBehindAMailDoesNotDecideIt(t *testing.T) {
	h := build(t)
	agent, person, _ := h.bound()
	approver := func(by registry.Principal, name string) (p registry.Principal) {
		h.Update(func(tx store.Tx) error {
			_, secret, err := h.Registry.AddKey(tx, by, registry.KeyRequest{Kind: registry.KindApprover, Owner: name,
				Scopes: []registry.Scope{registry.ScopeOversight}})
			if err != nil {
				return err
			}
			p, err = h.Registry.ByKey(tx, secret)
			return err
		})
		return p
	}
	colleague := approver(person, "max") // made before there was the mail
	h.Clock.Forward(time.Minute)
	r, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test"))
	if err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(time.Minute)
	first := approver(h.Approver, "mine") // ann's key, who is the person
	second := approver(first, "mine2")
	for name, p := range map[string]registry.Principal{"made": first, "made by one that was made": second} {
		_, err := h.Gate.Decide(h.ctx, p, r.Mail.ID, gate.Decision{Approve: true, Digest: r.Mail.Digest})
		if mail.WordOf(err) != "self" || h.Mail(r.Mail.ID).State != mail.Held {
			t.Errorf("%s: %v, the mail is %s", name, err, h.Mail(r.Mail.ID).State)
		}
	}
	_, err = h.Gate.Decide(h.ctx, colleague, r.Mail.ID, gate.Decision{Approve: true, Digest: r.Mail.Digest})
	if err != nil {
		t.Errorf("a colleague of before: %v", err)
	}
}

func TestTheLogNamesThePersonBehindAMailPrivately(t *testing.T) {
	h := build(t)
	agent, _, binding := h.bound()
	if _, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test")); err != nil {
		t.Fatal(err)
	}
	r := h.newest()
	for name, want := range map[string]string{"person": "corp:t1:ann-object", "credential": binding.ID, "issuer": "corp",
		"tenant": "t1", "client": "bot-client", "blueprint": "print", "shape": "on_behalf_of"} {
		if _, fact := r.Facts[name]; r.Kind != audit.MailSubmit || r.Private[name] != want || fact {
			t.Errorf("%s: %s is %q, want %q, and no fact", r.Kind, name, r.Private[name], want)
		}
	}
}

// A token ends inside a session.
func TestATokenSubmitsUntilItEnds(t *testing.T) {
	for name, end := range map[string]func(h *fixture, b registry.Binding){
		"it expires": func(h *fixture, _ registry.Binding) { h.Clock.Forward(time.Hour) },
		"it is unbound": func(h *fixture, b registry.Binding) {
			h.Update(func(tx store.Tx) error { return h.Registry.Unbind(tx, h.Operator, b.ID) })
		},
	} {
		h := build(t)
		agent, _, b := h.bound()
		if _, err := h.Gate.Submit(h.ctx, agent, h.Submission("ada@dest.test")); err != nil {
			t.Fatal(err)
		}
		end(h, b)
		if _, err := h.Gate.Submit(h.ctx, agent, h.Submission("eve@dest.test")); mail.WordOf(err) != "unauthorised" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
