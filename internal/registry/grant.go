package registry

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Grant is what somebody has let an OAuth client do in the name of a principal. Access
// tokens of our own authorization server name a grant, and are worth what it is worth
// when they are used.
type Grant struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`   // agent, approver or admin
	Owner  string `json:"owner"`  // name of that principal
	Client string `json:"client"` // id of the OAuth client
	// Person granted it: one that an issuer has signed in or, with the issuer LocalIssuer,
	// the principal of a credential. Zero for what an admin gave a client of its own.
	Person mail.Person `json:"person,omitzero"`
	Roles  []string    `json:"roles,omitempty"` // of the person at the issuer, when signing in
	// By is the credential by which a principal of ours granted: the grant ends with it. Zero
	// where a person of an issuer granted, and for what an admin gave a client of its own.
	By        Credential     `json:"by,omitzero"`
	Binding   string         `json:"binding,omitempty"` // by which the person is the approver
	Scopes    []Scope        `json:"scopes"`
	Mailboxes []mail.Address `json:"mailboxes,omitempty"` // the only ones; nil: all of the owner's
	Resource  string         `json:"resource"`            // the audience of its tokens
	CreatedAt time.Time      `json:"created_at"`
	CreatedBy string         `json:"created_by"` // id of the principal, or the person
	EndedAt   time.Time      `json:"ended_at,omitzero"`
}

// LocalIssuer is the issuer of a person who was signed in by a credential of this
// installation: its id is that of the principal. No issuer of the configuration can
// have this name.
const LocalIssuer = "-"

// GrantRequest is what a new grant shall be.
type GrantRequest struct {
	Kind      Kind
	Owner     string
	Client    string
	Scopes    []Scope
	Mailboxes []mail.Address
	Resource  string
	Roles     []string // of the person who grants, at the issuer
}

// maxClient bounds the id of a client, which may be a URL.
const maxClient = 512

// GrantAsPerson makes the grant of a person whom an issuer has signed in. Whether the
// configuration lets the person do so for an agent is for the caller to know. An
// approver's own rights are those of the binding of the person.
//
// Who may decide over mail never grants the rights of an agent (invariant 4): the person
// would let mail be written that the same person approves.
func (r *Registry) GrantAsPerson(tx store.Tx, who mail.Person, q GrantRequest) (Grant, error) {
	bound, is, err := r.ApproverOf(tx, who)
	if err != nil {
		return Grant{}, err
	}
	decides, err := r.MayBeApprover(tx, who)
	if err != nil {
		return Grant{}, err
	}
	by := Principal{Kind: "person", Name: who.String(), UID: -1}
	switch {
	case who.IsZero() || who.Issuer == LocalIssuer:
		return Grant{}, ErrForbidden
	case q.Kind == KindAgent && decides:
		return Grant{}, in(ErrForbidden, "an approver grants nothing of an agent")
	case q.Kind == KindAgent:
		return r.addGrant(tx, by, q, Grant{Person: who, Roles: q.Roles})
	case q.Kind != KindApprover || !is || bound.Owner != q.Owner:
		return Grant{}, in(ErrForbidden, "a person grants for an agent, or as the approver that the person is")
	case len(both(q.Scopes, bound.Scopes)) != len(q.Scopes):
		return Grant{}, in(ErrForbidden, "the approver holds only %s", words(bound.Scopes))
	case bound.Mailboxes != nil && q.Mailboxes == nil:
		q.Mailboxes = bound.Mailboxes
	}
	return r.addGrant(tx, by, q, Grant{Person: who, Binding: bound.ID})
}

// Grant makes a grant for a principal of the registry: an admin, for an agent or for
// itself. own is set when the client acts by itself and nobody granted.
func (r *Registry) Grant(tx store.Tx, actor Principal, q GrantRequest, own bool) (Grant, error) {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return Grant{}, err
	}
	switch {
	case q.Kind == KindAgent:
	case q.Kind != KindAdmin || p.Kind != KindAdmin || q.Owner != p.Name:
		return Grant{}, in(ErrForbidden, "an admin grants for an agent, or for itself")
	case slices.ContainsFunc(q.Scopes, func(s Scope) bool { return !p.gives(s) }):
		return Grant{}, in(ErrForbidden, "your own credential holds only %s", words(p.Scopes))
	}
	of := Grant{Person: mail.Person{Issuer: LocalIssuer, ID: p.ID()}, By: p.Credential}
	if own {
		of = Grant{}
	}
	return r.addGrant(tx, p, q, of)
}

// addGrant makes a grant; of says who granted, and by what.
func (r *Registry) addGrant(tx store.Tx, by Principal, q GrantRequest, of Grant) (Grant, error) {
	if err := r.Open(tx); err != nil {
		return Grant{}, err
	}
	k := KeyRequest{Kind: q.Kind, Owner: q.Owner, Scopes: q.Scopes, Mailboxes: q.Mailboxes}
	if err := k.check(); err != nil {
		return Grant{}, err
	}
	if q.Client == "" || len(q.Client) > maxClient || !mail.AllPrintable(q.Client) || q.Resource == "" {
		return Grant{}, in(ErrInvalid, "a grant names its client and its resource")
	}
	if err := r.checkReach(tx, k); err != nil {
		return Grant{}, err
	}
	if _, err := r.holder(tx, q.Kind, q.Owner, q.Mailboxes, Credential{}); err != nil {
		return Grant{}, err
	}
	now := tx.Now()
	g := of
	g.ID, g.CreatedAt, g.CreatedBy = string(mail.NewID(now)), now, by.ID()
	g.Kind, g.Owner, g.Client, g.Resource = q.Kind, q.Owner, q.Client, q.Resource
	g.Scopes, g.Mailboxes = k.Scopes, q.Mailboxes
	if err := put(tx, grantKey+g.ID, g); err != nil {
		return Grant{}, err
	}
	facts, private := g.details()
	return g, r.note(tx, by, audit.GrantAdd, facts, private)
}

// ApproverOf returns the binding by which a person is an approver.
func (r *Registry) ApproverOf(tx store.Tx, who mail.Person) (b Binding, is bool, err error) {
	all, err := r.Bindings(tx)
	for _, b := range all {
		if b.Kind == KindApprover && b.EndedAt.IsZero() && b.person() == who {
			return b, true, err
		}
	}
	return Binding{}, false, err
}

// MayBeApprover reports whether a person may be an approver, whatever the case of the ids: then
// the person grants nothing of an agent.
func (r *Registry) MayBeApprover(tx store.Tx, who mail.Person) (bool, error) {
	all, err := r.Bindings(tx)
	return slices.ContainsFunc(all, func(b Binding) bool {
		return b.Kind == KindApprover && b.EndedAt.IsZero() && mayBeSame(b.person(), who)
	}), err
}

// EndGrant ends a grant: its tokens are worth nothing from then on, and streams end. Who
// may stop everything may, whoever granted it, and its own client. Other credentials of the
// same agent may not: they would take from people what these let their clients do. Twice
// changes nothing.
func (r *Registry) EndGrant(tx store.Tx, actor Principal, id string) error {
	g, err := r.GrantByID(tx, id)
	own := func(p Principal) bool {
		return err == nil && (p.Credential == Credential{CredentialGrant, g.ID} ||
			p.person() == g.Person && !g.Person.IsZero() || g.Person == mail.Person{Issuer: LocalIssuer, ID: p.ID()})
	}
	p, refused := r.authorizeClosed(tx, actor, either(stop, own))
	if refused != nil {
		return refused
	}
	if err != nil {
		return err
	}
	return r.endGrant(tx, p, g, "revoked")
}

// EndGrantAs ends a grant for the authorization server: why is a word of the log, such
// as "replay" or "client".
func (r *Registry) EndGrantAs(tx store.Tx, id, why string) error {
	g, err := r.GrantByID(tx, id)
	if err != nil {
		return err
	}
	return r.endGrant(tx, Principal{Kind: "system", Name: "oauth", UID: -1}, g, why)
}

func (r *Registry) endGrant(tx store.Tx, by Principal, g Grant, why string) error {
	if !g.EndedAt.IsZero() {
		return nil
	}
	g.EndedAt = tx.Now()
	if err := put(tx, grantKey+g.ID, g); err != nil {
		return err
	}
	facts, private := g.details()
	facts["why"] = why
	return r.note(tx, by, audit.GrantEnd, facts, private)
}

// GrantByID returns a grant, or ErrNotFound.
func (r *Registry) GrantByID(tx store.Tx, id string) (Grant, error) {
	none := in(ErrNotFound, "no such grant")
	if _, err := mail.ParseID(id); err != nil {
		return Grant{}, none
	}
	g, ok, err := get[Grant](tx, grantKey+id)
	if err == nil && !ok {
		err = none
	}
	return g, err
}

// Grants returns every grant, ended ones too, oldest first.
func (r *Registry) Grants(tx store.Tx) ([]Grant, error) { return list[Grant](tx, grantKey) }

// currentGrant reads a principal of a grant again.
func (r *Registry) currentGrant(tx store.Tx, p Principal) (Principal, error) {
	if p.token == nil || p.token.Object != p.Credential.ID {
		return Principal{}, ErrCredentials
	}
	now, err := r.ofGrant(tx, *p.token)
	if err == nil && (now.Kind != p.Kind || now.Name != p.Name) {
		err = ErrCredentials
	}
	return now, err
}

// ofGrant returns what a token of our own, its grant and its owner allow together, as they
// stand now.
func (r *Registry) ofGrant(tx store.Tx, t Token) (Principal, error) {
	g, ok, err := get[Grant](tx, grantKey+t.Object)
	if err != nil {
		return Principal{}, err
	}
	if !ok || !g.EndedAt.IsZero() || !tx.Now().Before(t.Expires) || t.Client != g.Client ||
		t.Audience != g.Resource || t.mixes() {
		return Principal{}, ErrCredentials
	}
	if err := r.StillGrants(tx, g); err != nil {
		return Principal{}, err
	}
	p, err := r.holder(tx, g.Kind, g.Owner, g.Mailboxes, Credential{CredentialGrant, g.ID})
	if err != nil {
		return Principal{}, err
	}
	p.Scopes = both(g.Scopes, t.Scopes)
	t.granted = g.Person
	p.token = &t
	return p, nil
}

// JudgeGrants has judge say whether the configuration lets the person of a grant give it for an
// agent at a time. Without a judge nobody does. It is called before the first use.
func (r *Registry) JudgeGrants(judge func(g Grant, now time.Time) bool) { r.judge = judge }

// StillGrants reports ErrCredentials when the one who granted could not do so now. An admin
// needs the credential that it granted with, and the scopes it had; an approver the binding;
// a person who grants for an agent the leave of the configuration, and is no approver. What an
// admin gave a client of its own is the operator's, as an API key is: it stays until it is ended. A
// closed account has no grants.
func (r *Registry) StillGrants(tx store.Tx, g Grant) error {
	if err := r.lets(tx); err != nil {
		return err
	}
	good, err := false, error(nil)
	switch {
	case g.Person.IsZero():
		good = g.Kind == KindAgent
	case g.Person.Issuer == LocalIssuer:
		good, err = r.localStillGrants(tx, g)
	case g.Kind == KindApprover:
		var b Binding
		b, good, err = get[Binding](tx, bindingKey+g.Binding)
		good = good && b.EndedAt.IsZero() && len(both(g.Scopes, b.Scopes)) == len(g.Scopes)
	case g.Kind == KindAgent && r.judge != nil && r.judge(g, tx.Now()):
		good, err = r.MayBeApprover(tx, g.Person)
		good = !good
	}
	if err == nil && !good {
		err = ErrCredentials
	}
	return err
}

// localStillGrants reports whether a principal of ours could still give what it has granted,
// with the credential that it granted with.
func (r *Registry) localStillGrants(tx store.Tx, g Grant) (bool, error) {
	kind, name, _ := strings.Cut(g.Person.ID, ":")
	p, err := r.Current(tx, Principal{Kind: Kind(kind), Name: name, Credential: g.By, UID: -1})
	if errors.Is(err, ErrCredentials) {
		return false, nil
	}
	switch {
	case err != nil || !configure(p):
		return false, err
	case g.Kind == KindAgent:
		return true, nil
	}
	return p.Kind == KindAdmin && g.Kind == KindAdmin && p.Name == g.Owner &&
		len(both(g.Scopes, p.Scopes)) == len(g.Scopes), nil
}

// GrantIsActive reports whether the tokens of a grant are worth anything now.
func (r *Registry) GrantIsActive(tx store.Tx, g Grant) (bool, error) {
	if !g.EndedAt.IsZero() {
		return false, nil
	}
	err := r.StillGrants(tx, g)
	if err == nil {
		_, err = r.holder(tx, g.Kind, g.Owner, g.Mailboxes, Credential{CredentialGrant, g.ID})
	}
	if errors.Is(err, ErrCredentials) {
		return false, nil
	}
	return err == nil, err
}

// details are what an audit entry says of g. Persons, and clients that a person may
// have named, are private.
func (g Grant) details() (facts, private details) {
	facts = details{"kind": string(g.Kind), "scopes": words(g.Scopes)}
	private = details{"grant": g.ID, "client": g.Client, "granted_by": g.Person.String(), "resource": g.Resource,
		"granted_with": g.By.ID}
	if g.Kind == KindAgent {
		facts["agent"] = g.Owner
	} else {
		private["owner"] = g.Owner
	}
	if g.Mailboxes != nil {
		private["mailboxes"] = words(g.Mailboxes)
	}
	return facts, private
}

// ClientChange is what became of an OAuth client.
type ClientChange int

// The changes of clients.
const (
	ClientAdded ClientChange = iota
	ClientRotated
	ClientRemoved
)

// ClientNote is what the log says of a client.
type ClientNote struct {
	Change    ClientChange
	ID, Name  string
	Source    string // operator, or self
	Method    string // how it proves itself
	Redirects []string
}

// NoteClient writes the entry of a client, whose record is kept by the authorization server.
// Its name and URIs are the words of whoever registered it.
func (r *Registry) NoteClient(tx store.Tx, by Principal, n ClientNote) error {
	kind := audit.ClientAdd
	switch n.Change {
	case ClientRotated:
		kind = audit.ClientRotate
	case ClientRemoved:
		kind = audit.ClientRemove
	}
	return r.note(tx, by, kind, details{"source": n.Source, "method": n.Method},
		details{"client": n.ID, "name": n.Name, "redirects": words(n.Redirects)})
}
