package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

const newAgent = "cccccccc-1111-2222-3333-444444444444"

// one is a verifier that takes every token for the same one.
type one registry.Token

func (o one) Verify(context.Context, string) (registry.Token, error) { return registry.Token(o), nil }

// anyAddress takes every address but one that is longer than those of the tests.
func anyAddress(_ store.Tx, box mail.Address) error {
	if len(box.String()) > 60 {
		return registry.ErrInvalid
	}
	return nil
}

func firstToken() registry.Token {
	return registry.Token{Issuer: "entra", Tenant: "t", Shape: registry.ShapeAutonomous, Object: newAgent,
		Client: newAgent, Scopes: []registry.Scope{registry.ScopeRead, registry.ScopeSend},
		Expires: zone.Add(time.Hour), ID: "0123456789abcdefghijkl", Mailbox: "agent-" + newAgent + "@example.test"}
}

func TestAnAgentIsMadeWithItsFirstTokenAndOnlyThen(t *testing.T) {
	h := open(t)
	token := firstToken()
	auth := registry.NewAuthenticator(h.db, h.reg, one(token))
	auth.Provision(anyAddress)
	from := registry.Origin{Door: "smtp", IP: "192.0.2.1"}
	var p registry.Principal
	for range 2 { // the second time it is there
		var err error
		if p, err = auth.ByToken(ctx, "x", from); err != nil {
			t.Fatal(err)
		}
	}
	addr := mail.MustAddress(token.Mailbox)
	if p.Agent != "entra-"+newAgent || !p.Has(registry.ScopeSend) || !p.Covers(addr) || len(p.Mailboxes) != 1 {
		t.Errorf("%+v", p)
	}
	h.must(func(tx store.Tx) error {
		m, err := h.reg.Mailbox(tx, addr)
		if err != nil || m.Mode != mail.GatedSend {
			t.Errorf("%+v, %v", m, err)
		}
		all, err := h.reg.Bindings(tx)
		if len(all) != 1 || all[0].Object != newAgent || all[0].Client != "" {
			t.Fatalf("%+v", all)
		}
		if _, err := h.reg.ByPassword(tx, p.Agent, ""); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("an empty password: %v", err)
		}
		return errors.Join(err, h.reg.Unbind(tx, socket, all[0].ID))
	})
	if _, err := auth.ByToken(ctx, "x", from); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("after its binding was ended: %v", err)
	}
}

func TestWhatCannotBeMadeIsRefusedAndLeavesNothing(t *testing.T) {
	for name, change := range map[string]func(*registry.Token){
		"no rule":                   func(t *registry.Token) { t.Mailbox = "" },
		"no address":                func(t *registry.Token) { t.Mailbox = "agent" },
		"a domain that is not here": func(t *registry.Token) { t.Mailbox = "agent@elsewhere.test" },
		"an address that is taken":  func(t *registry.Token) { t.Mailbox = box.String() },
		"an address that is too long": func(t *registry.Token) {
			t.Mailbox = strings.Repeat("a", 60) + "@example.test"
		},
		"on behalf of a person": func(t *registry.Token) { t.Shape, t.Object = registry.ShapeDelegated, "ann" },
		"a person":              func(t *registry.Token) { t.Shape = registry.ShapePerson },
		"a name that is none":   func(t *registry.Token) { t.Object = "A B" },
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			token := firstToken()
			change(&token)
			auth := registry.NewAuthenticator(h.db, h.reg, one(token))
			auth.Provision(anyAddress)
			if _, err := auth.ByToken(ctx, "x", registry.Origin{Door: "http"}); !errors.Is(err, registry.ErrCredentials) {
				t.Errorf("got %v", err)
			}
			h.must(func(tx store.Tx) error {
				agents, err := h.reg.Agents(tx)
				bindings, also := h.reg.Bindings(tx)
				if len(agents) != 2 || len(bindings) != 0 {
					t.Errorf("%d agents, %d bindings", len(agents), len(bindings))
				}
				return errors.Join(err, also)
			})
		})
	}
}

// An application that mints identities does not fill the store.
func TestFewAgentsAreMadeAtATime(t *testing.T) {
	h := open(t)
	v := &several{}
	auth := registry.NewAuthenticator(h.db, h.reg, v)
	auth.Provision(anyAddress)
	made := 0
	for range 40 {
		_, err := auth.ByToken(ctx, "x", registry.Origin{Door: "http"})
		switch {
		case err == nil:
			made++
		case !errors.Is(err, mail.ErrUnavailable):
			t.Fatal(err)
		}
	}
	if made == 0 || made > 15 {
		t.Errorf("made %d agents", made)
	}
}

// several is a verifier for which every token is another agent's.
type several struct{ n byte }

func (s *several) Verify(context.Context, string) (registry.Token, error) {
	t := firstToken()
	s.n++
	t.Object = "cccccccc-1111-2222-3333-4444444444" + string([]byte{'a' + s.n/16, 'a' + s.n%16})
	t.Mailbox = "agent-" + t.Object + "@example.test"
	return t, nil
}
