package registry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Binding says which principal here an identity at an issuer is, and what it is
// granted. Identities are bound by hand, one by one: a valid token of somebody who is
// not bound gets nothing. They are named by the ids that an issuer never gives out
// again, and never by sub or a mail address.
type Binding struct {
	ID        string         `json:"id"`
	Kind      Kind           `json:"kind"`  // agent or approver; admin, with the narrow scopes alone
	Owner     string         `json:"owner"` // name of that principal
	Issuer    string         `json:"issuer"`
	Tenant    string         `json:"tenant,omitempty"`
	Object    string         `json:"object"`            // object id of the agent, or of the person
	Client    string         `json:"client,omitempty"`  // client id of the agent, for tokens with a user
	Account   string         `json:"account,omitempty"` // object id of the agent's own user account
	Scopes    []Scope        `json:"scopes"`
	Mailboxes []mail.Address `json:"mailboxes,omitempty"` // the only ones; nil: all of the owner's
	CreatedAt time.Time      `json:"created_at"`
	CreatedBy string         `json:"created_by"`
	EndedAt   time.Time      `json:"ended_at,omitzero"`
}

// BindingRequest is what a new binding shall be.
type BindingRequest struct {
	Kind      Kind   // agent or approver; admin, with the narrow scopes alone
	Owner     string // an agent that is here; a new name makes an approver or admin
	Issuer    string // name of an issuer in the configuration
	Tenant    string
	Object    string
	Client    string
	Account   string
	Scopes    []Scope        // empty: read and send, for an agent; others name theirs
	Mailboxes []mail.Address // nil: all of the owner's
}

// Bind binds an identity to a principal. Who may do so is who may make a key for it:
// see AddKey. An id stands in one binding at most, so no identity is two principals.
func (r *Registry) Bind(tx store.Tx, actor Principal, q BindingRequest) (Binding, error) {
	p, err := r.authorize(tx, actor, either(configure, CanLoosen))
	if err != nil {
		return Binding{}, err
	}
	if q.Kind == KindAgent && len(q.Scopes) == 0 {
		q.Scopes = KindAgent.Usual()
	}
	if err := q.check(); err != nil {
		return Binding{}, err
	}
	k := KeyRequest{Kind: q.Kind, Owner: q.Owner, Scopes: q.Scopes, Mailboxes: q.Mailboxes}
	if err := r.mayGive(tx, p, &k); err != nil {
		return Binding{}, err
	}
	q.Scopes = k.Scopes
	return r.addBinding(tx, p, q)
}

func (r *Registry) addBinding(tx store.Tx, p Principal, q BindingRequest) (Binding, error) {
	now := tx.Now()
	b := Binding{ID: string(mail.NewID(now)), Kind: q.Kind, Owner: q.Owner,
		Issuer: q.Issuer, Tenant: q.Tenant, Object: q.Object, Client: q.Client, Account: q.Account,
		Scopes: q.Scopes, Mailboxes: q.Mailboxes, CreatedAt: now, CreatedBy: p.ID()}
	for _, at := range b.places() {
		if _, taken, err := get[string](tx, at); err != nil {
			return Binding{}, err
		} else if taken {
			return Binding{}, in(ErrExists, "this identity is bound already; unbind it first")
		}
		if err := put(tx, at, b.ID); err != nil {
			return Binding{}, err
		}
	}
	if err := put(tx, bindingKey+b.ID, b); err != nil {
		return Binding{}, err
	}
	facts, private := b.details()
	return b, r.note(tx, p, audit.BindingAdd, facts, private)
}

// Unbind ends a binding: tokens of the identity get nothing from then on, sessions
// that it opened included. Who may stop everything may. Doing so twice changes
// nothing.
func (r *Registry) Unbind(tx store.Tx, actor Principal, id string) error {
	p, err := r.authorizeClosed(tx, actor, stop)
	if err != nil {
		return err
	}
	b, err := r.Binding(tx, id)
	if err != nil || !b.EndedAt.IsZero() {
		return err
	}
	return r.unbind(tx, p, b)
}

func (r *Registry) unbind(tx store.Tx, p Principal, b Binding) error {
	for _, at := range b.places() {
		if err := space.Delete(tx, at); err != nil {
			return err
		}
	}
	b.EndedAt = tx.Now()
	if err := put(tx, bindingKey+b.ID, b); err != nil {
		return err
	}
	facts, private := b.details()
	return r.note(tx, p, audit.BindingEnd, facts, private)
}

// Binding returns a binding, or ErrNotFound.
func (r *Registry) Binding(tx store.Tx, id string) (Binding, error) {
	none := in(ErrNotFound, "no such binding")
	if _, err := mail.ParseID(id); err != nil {
		return Binding{}, none
	}
	b, ok, err := get[Binding](tx, bindingKey+id)
	if err == nil && !ok {
		err = none
	}
	return b, err
}

// Bindings returns every binding, ended ones too, oldest first.
func (r *Registry) Bindings(tx store.Tx) ([]Binding, error) { return list[Binding](tx, bindingKey) }

// IsPerson reports whether the principal is, or ever was, the person: by the token
// it presented, or by a binding of its name, whichever credential it uses now. A name
// for which the person has made a key or a binding since a time counts as the person
// too, and so does every name that such a name has made one for: nobody gets around
// this by making an approver.
func (r *Registry) IsPerson(tx store.Tx, p Principal, who mail.Person, since time.Time) (bool, error) {
	if who.IsZero() || p.Kind != KindApprover {
		return false, nil
	}
	if mayBeSame(p.person(), who) {
		return true, nil
	}
	bindings, err := r.Bindings(tx)
	if err != nil {
		return false, err
	}
	keys, err := r.Keys(tx)
	if err != nil {
		return false, err
	}
	names := map[string]bool{} // ids of the principals that count as the person
	if who.Issuer == LocalIssuer {
		names[who.ID] = true
	}
	var made [][2]string // who made a credential since then, and for whom
	for _, b := range bindings {
		owner := Principal{Kind: b.Kind, Name: b.Owner}.ID()
		if b.Kind == KindApprover && mayBeSame(b.person(), who) {
			names[owner] = true
		}
		if !b.CreatedAt.Before(since) {
			made = append(made, [2]string{b.CreatedBy, owner})
		}
	}
	for _, k := range keys {
		if !k.CreatedAt.Before(since) {
			made = append(made, [2]string{k.CreatedBy, Principal{Kind: k.Kind, Name: k.Owner}.ID()})
		}
	}
	for n := -1; n < len(names); { // until no name is added
		n = len(names)
		for _, m := range made {
			if names[m[0]] {
				names[m[1]] = true
			}
		}
	}
	return names[p.ID()], nil
}

// mayBeSame reports whether two ids may be of one person, where that forbids something. What
// gives a right compares them octet by octet: an issuer may have two people whose ids differ in
// case alone (OpenID Connect Core, section 2).
func mayBeSame(a, b mail.Person) bool {
	return a.Issuer == b.Issuer && strings.EqualFold(a.Tenant, b.Tenant) && strings.EqualFold(a.ID, b.ID)
}

// person is the human that an approver's binding names.
func (b Binding) person() mail.Person {
	return mail.Person{Issuer: b.Issuer, Tenant: b.Tenant, ID: b.Object}
}

// maxIdentity bounds an id of an issuer. What becomes agent_ref has less: the
// identity header has no more room.
const (
	maxIdentity = 128
	maxTenant   = 64
)

func (q BindingRequest) check() error {
	switch {
	case q.Kind == KindAdmin && (len(q.Scopes) == 0 || slices.ContainsFunc(q.Scopes, Scope.wide)):
		return in(ErrInvalid, "no token configures: an identity is bound to an admin with audit_read, tighten or both")
	case q.Kind != KindAgent && q.Kind != KindApprover && q.Kind != KindAdmin:
		return in(ErrInvalid, "an identity is bound to an agent, an approver, or an admin that reads the log or tightens")
	}
	if !validName(q.Issuer) {
		return in(ErrInvalid, "name the issuer as the configuration does")
	}
	if q.Object == "" {
		return in(ErrInvalid, "the object id of the agent or person is required")
	}
	if q.Kind != KindAgent && (q.Client != "" || q.Account != "") {
		return in(ErrInvalid, "who is no agent is bound by the object id alone")
	}
	if q.Account != "" && q.Client == "" {
		return in(ErrInvalid, "an agent's user account is bound together with the agent's client id")
	}
	if len(q.Tenant) > maxTenant {
		return in(ErrInvalid, "the tenant is longer than %d octets", maxTenant)
	}
	for _, id := range []string{q.Tenant, q.Object, q.Client, q.Account} {
		if len(id) > maxIdentity || !mail.AllPrintable(id) || strings.Contains(id, " ") {
			return in(ErrInvalid, "an id has at most %d printable ASCII characters and no blank", maxIdentity)
		}
	}
	return nil
}

// places are the keys below which the ids of a binding are found. The id of a client
// may be that of the agent too, as it is where an issuer has one id for both.
func (b Binding) places() []string {
	var out []string
	for _, id := range []string{b.Object, b.Client, b.Account} {
		if at := boundAt(b.Issuer, b.Tenant, id); id != "" && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

// boundAt is the key of an id. An id may hold a slash, and its letters stand for
// themselves: so the key is a hash of its parts, each with its length.
func boundAt(issuer, tenant, id string) string {
	h := sha256.New()
	for _, part := range []string{issuer, tenant, id} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return boundKey + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// bound finds the binding of a token's identity: by the agent's client id where the
// token's object is a user, else by the object.
func (r *Registry) bound(tx store.Tx, t Token) (Binding, error) {
	id := t.Object
	if t.Shape == ShapeDelegated || t.Shape == ShapeAccount {
		id = t.Client
	}
	at, ok, err := get[string](tx, boundAt(t.Issuer, t.Tenant, id))
	if err != nil {
		return Binding{}, err
	}
	if !ok || id == "" {
		return Binding{}, ErrCredentials
	}
	b, ok, err := get[Binding](tx, bindingKey+at)
	if err == nil && !ok {
		err = ErrCredentials
	}
	return b, err
}

// names reports whether the token speaks of the identity of this binding, in a shape
// that it was made for.
func (b Binding) names(t Token) bool {
	if b.Issuer != t.Issuer || b.Tenant != t.Tenant {
		return false
	}
	switch t.Shape {
	case ShapeAutonomous:
		return (b.Kind == KindAgent || b.Kind == KindAdmin) && b.Object == t.Object &&
			(b.Client == "" || b.Client == t.Client)
	case ShapeDelegated:
		return b.Kind == KindAgent && b.Client != "" && b.Client == t.Client && t.Object != ""
	case ShapeAccount:
		return b.Kind == KindAgent && b.Client != "" && b.Client == t.Client &&
			b.Account != "" && b.Account == t.Object
	case ShapePerson:
		return (b.Kind == KindApprover || b.Kind == KindAdmin) && b.Object == t.Object
	}
	return false
}

// details are what an audit entry says of b. Ids may stand for people.
func (b Binding) details() (facts, private details) {
	facts = details{"kind": string(b.Kind), "scopes": words(b.Scopes), "issuer": b.Issuer}
	private = details{"binding": b.ID, "tenant": b.Tenant, "object": b.Object, "client": b.Client, "account": b.Account}
	if b.Kind == KindAgent {
		facts["agent"] = b.Owner
	} else {
		private["owner"] = b.Owner
	}
	if b.Mailboxes != nil {
		private["mailboxes"] = words(b.Mailboxes)
	}
	return facts, private
}
