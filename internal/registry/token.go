package registry

import (
	"context"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// TokenShape says who a token speaks of.
type TokenShape string

// The shapes of tokens.
const (
	ShapeAutonomous TokenShape = "autonomous"    // an agent acts by itself
	ShapeDelegated  TokenShape = "on_behalf_of"  // an agent acts for a person
	ShapeAccount    TokenShape = "agent_account" // an agent acts as a user account of its own
	ShapePerson     TokenShape = "person"        // a person acts
	ShapeGranted    TokenShape = "granted"       // a token of our own: Object is the id of its grant
)

// Token is what a verified token says. Nothing in it is believed before its
// issuer, audience, tenant, times and signature were checked.
type Token struct {
	Issuer string     // name of the issuer in the configuration
	Tenant string     // "" for an issuer without tenants
	Shape  TokenShape // decides what Object names
	Object string     // id of the agent, of its user account, or of the person: by shape
	Client string     // id of the client that asked for the token: of the agent, but for a person
	// Blueprint is what the agent was made from: recorded, never a right.
	Blueprint string
	Scopes    []Scope   // what the token allows here
	Expires   time.Time // exp, with the skew that the issuer is allowed
	ID        string    // names the token in the log: 22 characters, from its hash
	// Mailbox is the address of the mailbox to make with an agent that is not bound
	// yet, "" for nothing: the configuration allows it for few tenants and roles.
	Mailbox string
	// Audience is the resource that a token of our own is for, "" for those of an issuer.
	Audience string

	granted mail.Person // who made the grant, as the record says
}

// TokenVerifier checks tokens of issuers. A token that is not accepted gives an
// error that is ErrCredentials; one of kind mail.ErrUnavailable means that it cannot be
// told now, such as without the issuer's keys.
type TokenVerifier interface {
	Verify(ctx context.Context, token string) (Token, error)
}

// Person returns the human that the token was issued to or who granted it, zero for none.
func (t Token) Person() mail.Person {
	if t.Shape == ShapeDelegated || t.Shape == ShapePerson {
		return mail.Person{Issuer: t.Issuer, Tenant: t.Tenant, ID: t.Object}
	}
	return t.granted
}

// mixes reports whether the token maps to sending and to what no credential may hold
// together with it (invariant 4): to decide over mail, or to read the log of everybody.
func (t Token) mixes() bool {
	return slices.Contains(t.Scopes, ScopeSend) &&
		(slices.Contains(t.Scopes, ScopeOversight) || slices.Contains(t.Scopes, ScopeAuditRead))
}

// person returns the human behind p's token, zero for none.
func (p Principal) person() mail.Person {
	if p.token == nil {
		return mail.Person{}
	}
	return p.token.Person()
}

// Identity returns how the issuer of p's token names the agent, and the person
// that it acts for; nil for any other credential.
func (p Principal) Identity() *mail.Identity {
	if p.token == nil {
		return nil
	}
	t := p.token
	return &mail.Identity{Issuer: t.Issuer, Tenant: t.Tenant, Agent: p.AgentRef, Client: t.Client,
		Blueprint: t.Blueprint, Shape: string(t.Shape), Person: t.Person()}
}

// ByToken returns the principal that a verified token is bound to or granted, or
// ErrCredentials: who is not bound gets nothing.
func (r *Registry) ByToken(tx store.Tx, t Token) (Principal, error) {
	if t.Shape == ShapeGranted {
		return r.ofGrant(tx, t)
	}
	b, err := r.bound(tx, t)
	if err != nil {
		return Principal{}, err
	}
	return r.ofToken(tx, b, t)
}

func (r *Registry) currentToken(tx store.Tx, p Principal) (Principal, error) {
	b, ok, err := get[Binding](tx, bindingKey+p.Credential.ID)
	if err != nil {
		return Principal{}, err
	}
	if !ok || p.token == nil || b.Kind != p.Kind || b.Owner != p.Name {
		return Principal{}, ErrCredentials
	}
	return r.ofToken(tx, b, *p.token)
}

// ofToken returns what token, binding and agent allow together, as they stand
// now.
func (r *Registry) ofToken(tx store.Tx, b Binding, t Token) (Principal, error) {
	switch {
	case !b.EndedAt.IsZero() || !b.names(t):
		return Principal{}, ErrCredentials
	case !tx.Now().Before(t.Expires):
		return Principal{}, ErrCredentials
	case t.mixes():
		return Principal{}, ErrCredentials
	}
	p, err := r.holder(tx, b.Kind, b.Owner, b.Mailboxes, Credential{CredentialToken, b.ID})
	if err != nil {
		return Principal{}, err
	}
	if p.Kind == KindAgent {
		p.AgentRef = b.Object
	}
	p.Scopes = both(b.Scopes, t.Scopes)
	p.token = &t
	return p, nil
}

// both returns what stands in a and in b.
func both(a, b []Scope) (out []Scope) {
	for _, s := range a {
		if slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
