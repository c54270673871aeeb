package registry

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Kind is what a principal is. The kinds never overlap: an agent sends, an
// approver decides, an admin configures, and no name is of two kinds.
type Kind string

// The kinds of principals.
const (
	KindAgent    Kind = "agent"
	KindApprover Kind = "approver"
	KindAdmin    Kind = "admin"
	KindSocket   Kind = "socket" // the local socket, guarded by the operating system
	// KindOperator is the operator who has let an agent's request pass by a code: it is
	// there while that request is carried out.
	KindOperator Kind = "operator"
)

// Scope is one right of a credential. No scope implies another (invariant 4).
type Scope string

// The scopes.
const (
	ScopeRead          Scope = "read"           // read mail and settings
	ScopeSend          Scope = "send"           // submit mail
	ScopeOversight     Scope = "oversight"      // decide on held mail and loosen policy
	ScopeOversightRead Scope = "oversight_read" // see held mail
	ScopeAdmin         Scope = "admin"          // configure, and tighten policy
	ScopeAuditRead     Scope = "audit_read"     // read the audit log
	ScopeTighten       Scope = "tighten"        // tighten policy
)

// Scopes returns every scope a credential of kind k may hold. No kind has send with
// oversight or with audit_read (invariant 4), so no credential can come to hold both.
func (k Kind) Scopes() []Scope {
	switch k {
	case KindAgent, KindApprover:
		return append(k.Usual(), ScopeTighten)
	case KindAdmin, KindSocket:
		return append(k.Usual(), ScopeAuditRead, ScopeTighten)
	}
	return k.Usual()
}

// Usual returns the scopes of a credential of kind k that names none: all but the narrow
// ones, which are for credentials that do nothing else.
func (k Kind) Usual() []Scope {
	switch k {
	case KindAgent:
		return []Scope{ScopeRead, ScopeSend}
	case KindApprover:
		return []Scope{ScopeOversight, ScopeOversightRead}
	case KindAdmin, KindSocket:
		return []Scope{ScopeAdmin, ScopeRead, ScopeOversightRead}
	case KindOperator:
		return []Scope{ScopeAdmin, ScopeOversight, ScopeRead}
	}
	return nil
}

// Principal is who asks. Doors get one from an [Authenticator] or Socket and
// hand it on; it is a snapshot, and Current reads it again on every use.
type Principal struct {
	Kind       Kind
	Name       string
	Credential Credential // by which it was recognised
	Scopes     []Scope
	Agent      string // Name, for an agent
	AgentRef   string

	// Mailboxes are the ones an agent may use: none when it is empty. For an
	// approver they are the only ones it may act on: all when it is empty.
	Mailboxes []mail.Address

	UID         int    // of the socket's peer, -1 otherwise
	Dev         bool   // the socket of the dev mode: it may decide and loosen too
	IP          string // remote address, private in the audit log
	Interactive bool   // signed in as a person

	// Trace is the W3C traceparent that the client gave its request, "" for none: private in
	// the audit log, since the client chose it.
	Trace string

	limited  bool        // an agent's credential that reaches only mailboxes that it names
	redeemed *redemption // of an operator: what its code is for

	until time.Time // when a credential of kind certificate is out of date
	token *Token    // what was presented, for a credential of kind token
}

// Socket returns the principal on the local socket. Only that of the dev mode
// holds the oversight scope, and none may submit.
func Socket(uid int, dev bool) Principal {
	p := Principal{Kind: KindSocket, UID: uid, Dev: dev, Credential: Credential{Kind: CredentialSocket}}
	if p.Scopes = KindSocket.Usual(); dev {
		p.Scopes = append(p.Scopes, ScopeOversight)
	}
	return p
}

// ID returns the name of p in records: "agent:demo", or "socket:1000".
func (p Principal) ID() string {
	if p.Kind == KindSocket {
		return string(p.Kind) + ":" + strconv.Itoa(p.UID)
	}
	return string(p.Kind) + ":" + p.Name
}

// Signed returns a record of what p does: the entry names p, from where it asked
// and the id of the key it used. Every entry of a principal is made here.
func (p Principal) Signed(r audit.Record) audit.Record {
	r.Actor = audit.Actor{Kind: string(p.Kind), ID: p.ID()}
	// What is empty is left out of the entry.
	private := map[string]string{"ip": p.IP, "credential": p.Credential.ID, "person": p.person().String(),
		"requester": p.requesterID(), "trace": p.Trace}
	maps.Copy(private, r.Private)
	r.Private = private
	return r
}

// Until returns when the token or certificate of p expires, zero for what does not.
func (p Principal) Until() time.Time {
	if p.token != nil {
		return p.token.Expires
	}
	return p.until
}

// Has reports whether p holds s. A scope that p's kind may not hold counts for
// nothing, wherever it came from (invariant 4).
func (p Principal) Has(s Scope) bool {
	return slices.Contains(p.Scopes, s) && slices.Contains(p.limit(), s)
}

// Possible returns the scopes that a credential in place of p's could have: a token of an
// issuer never configures.
func (p Principal) Possible() []Scope {
	return slices.DeleteFunc(p.Kind.Scopes(), func(s Scope) bool {
		return p.Kind == KindAdmin && p.Credential.Kind == CredentialToken && !s.narrow()
	})
}

// limit returns every scope that p could hold.
func (p Principal) limit() []Scope {
	s := p.Kind.Scopes()
	if p.Kind == KindSocket && p.Dev {
		s = append(s, ScopeOversight)
	}
	return s
}

// Covers reports whether p's credential reaches the mailbox at addr. It says
// nothing about what p may do there: that is for Has.
func (p Principal) Covers(addr mail.Address) bool {
	switch p.Kind {
	case KindAgent, KindOperator:
		return contains(p.Mailboxes, addr)
	case KindApprover, KindAdmin, KindSocket:
		return len(p.Mailboxes) == 0 || contains(p.Mailboxes, addr)
	}
	return false
}

// Limited reports whether p's credential reaches only mailboxes that it names, and not those
// that its owner gets later.
func (p Principal) Limited() bool {
	if p.Kind == KindAgent {
		return p.limited
	}
	return len(p.Mailboxes) > 0
}

// everywhere reports whether p's credential reaches every mailbox. For the operator of a
// redeemed request it is whether p may change what is of no mailbox; which mailboxes it
// may change says Covers.
func (p Principal) everywhere() bool {
	return p.Kind == KindOperator || p.Kind != KindAgent && len(p.Mailboxes) == 0
}

// contains reports whether list has addr, whatever the case of its letters.
func contains(list []mail.Address, addr mail.Address) bool {
	return slices.ContainsFunc(list, func(a mail.Address) bool { return a.Key() == addr.Key() })
}

// Current returns p as it stands now: rights and mailboxes are read again. It
// fails with ErrCredentials when the key was revoked, the password reset, the
// token or certificate expired, its binding ended, or the agent disabled: an open session ends
// with its credential. Who has no credential is nobody.
func (r *Registry) Current(tx store.Tx, p Principal) (Principal, error) {
	now, err := r.current(tx, p)
	if err != nil {
		return Principal{}, err
	}
	now.IP, now.Interactive = p.IP, p.Interactive
	return now, nil
}

func (r *Registry) current(tx store.Tx, p Principal) (Principal, error) {
	switch p.Credential.Kind {
	case CredentialSocket:
		if p.Kind == KindSocket {
			return Socket(p.UID, p.Dev), nil
		}
	case CredentialKey:
		return r.currentKey(tx, p)
	case CredentialPassword:
		return r.currentPassword(tx, p)
	case CredentialToken:
		return r.currentToken(tx, p)
	case CredentialCertificate:
		return r.currentCertificate(tx, p)
	case CredentialGrant:
		return r.currentGrant(tx, p)
	case CredentialCode:
		return r.currentCode(tx, p)
	}
	return Principal{}, ErrCredentials
}

func (r *Registry) currentKey(tx store.Tx, p Principal) (Principal, error) {
	k, ok, err := get[Key](tx, credKey+p.Credential.ID)
	if err != nil {
		return Principal{}, err
	}
	if !ok || k.Kind != p.Kind || k.Owner != p.Name {
		return Principal{}, ErrCredentials
	}
	return r.ofKey(tx, k)
}

func (r *Registry) currentPassword(tx store.Tx, p Principal) (Principal, error) {
	w, ok, err := get[login](tx, passwordKey+p.Name)
	if err != nil {
		return Principal{}, err
	}
	if !ok || p.Kind != KindAgent || w.ID != p.Credential.ID {
		return Principal{}, ErrCredentials
	}
	return r.ofAgent(tx, p.Name, p.Credential)
}

// ofAgent returns the principal of an agent with everything it may do, which its
// credential may limit further.
func (r *Registry) ofAgent(tx store.Tx, name string, by Credential) (Principal, error) {
	a, ok, err := get[Agent](tx, agentKey+name)
	if err != nil {
		return Principal{}, err
	}
	if !ok || a.Disabled {
		return Principal{}, ErrCredentials
	}
	if err := r.lets(tx); err != nil {
		return Principal{}, err
	}
	boxes, err := list[mail.Address](tx, usesKey+a.Name+"/")
	if err != nil {
		return Principal{}, err
	}
	return Principal{
		Kind: KindAgent, Name: a.Name, Agent: a.Name, AgentRef: a.Ref,
		Scopes: KindAgent.Usual(), Mailboxes: boxes, UID: -1, Credential: by,
	}, nil
}

// claimName binds a name to one kind for ever. It fails with ErrExists when
// the name was ever given to anyone: an approver cannot be called like an
// agent, and a record can never come to mean someone else.
func (r *Registry) claimName(tx store.Tx, name string, kind Kind) error {
	if !validName(name) {
		return in(ErrInvalid,
			"a name is 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit")
	}
	_, taken, err := get[Kind](tx, nameKey+name)
	if err != nil {
		return err
	}
	if taken {
		return in(ErrExists, "the name %q is taken; names are never reused", name)
	}
	return put(tx, nameKey+name, kind)
}

// validName reports whether s is [a-z0-9][a-z0-9._-]{0,63}. Letters are not
// folded: the only spelling of a name is its own.
func validName(s string) bool {
	if s == "" || len(s) > 64 || strings.IndexByte("._-", s[0]) >= 0 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("._-", c) < 0 {
			return false
		}
	}
	return true
}

// checkText refuses a free text that is too long or holds control characters:
// it will stand in lists, entries and, as a name, in headers.
func checkText(what, s string, limit int) error {
	if len(s) > limit {
		return in(ErrInvalid, "the %s is longer than %d octets", what, limit)
	}
	if !isText(s) {
		return in(ErrInvalid, "the %s holds characters that do not print", what)
	}
	return nil
}
