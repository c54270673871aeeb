package registry

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// CanLoosen reports whether p may allow agents more: raise a mode, extend an
// allowlist, thaw, enable an agent, move the oversight address, lengthen a
// hold. It is the right to decide on mail, since each of these decides on mail
// to come; admin does not imply it (invariant 4).
func CanLoosen(p Principal) bool { return p.Has(ScopeOversight) }

// A right judges whether a principal may do one thing.
type right func(Principal) bool

// configure is for admins and the socket.
func configure(p Principal) bool { return p.Has(ScopeAdmin) && p.everywhere() }

// narrow reports whether s is one of the scopes for credentials that do one thing alone.
// Who configures may do all that they allow, and so gives them.
func (s Scope) narrow() bool { return s == ScopeAuditRead || s == ScopeTighten }

func (s Scope) wide() bool { return !s.narrow() }

// gives reports whether p may put a scope into the credential of an admin.
func (p Principal) gives(s Scope) bool { return p.Has(s) || s.narrow() && configure(p) }

// Gives returns the scopes that p may put into a credential of its own kind.
func (p Principal) Gives() []Scope {
	return slices.DeleteFunc(p.Kind.Scopes(), func(s Scope) bool { return !p.gives(s) })
}

// CanTighten reports whether p may put what is of a mailbox under stricter oversight,
// though it is none of its own.
func CanTighten(p Principal, box mail.Address) bool {
	return p.Kind != KindAgent && p.Covers(box) && (p.Has(ScopeAdmin) || p.Has(ScopeOversight) || p.Has(ScopeTighten))
}

// stop is tightening whatever mailbox it touches.
func stop(p Principal) bool {
	return p.everywhere() && (p.Has(ScopeAdmin) || p.Has(ScopeOversight) || p.Has(ScopeTighten))
}

// release is loosening whatever mailbox it touches.
func release(p Principal) bool { return p.everywhere() && CanLoosen(p) }

// tighten is open to the agents of the mailbox too: an agent may always ask
// for less, with any credential it has.
func tighten(addr mail.Address) right {
	return func(p Principal) bool { return p.Covers(addr) && (p.Kind == KindAgent || CanTighten(p, addr)) }
}

// adjust is for whoever works with the mailbox or oversees it: what neither loosens nor
// tightens. A credential that only tightens does not.
func adjust(p Principal) bool {
	return p.Has(ScopeAdmin) || p.Has(ScopeOversight) || p.Kind == KindAgent && (p.Has(ScopeRead) || p.Has(ScopeSend))
}

// loosen is tighten's opposite: a credential limited to mailboxes loosens
// these alone.
func loosen(addr mail.Address) right {
	return func(p Principal) bool { return p.Covers(addr) && CanLoosen(p) }
}

// either passes whoever has one of the rights.
func either(rights ...right) right {
	return func(p Principal) bool {
		for _, may := range rights {
			if may(p) {
				return true
			}
		}
		return false
	}
}

// authorize reads the actor again and returns it if may allows it, and the account is not
// closed. It stands first in every write, before anything is looked up: who may not act does
// not learn what exists.
func (r *Registry) authorize(tx store.Tx, actor Principal, may right) (Principal, error) {
	p, err := r.authorizeClosed(tx, actor, may)
	if err == nil {
		err = r.Open(tx)
	}
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// authorizeClosed is authorize for the few writes that a closed account still takes: they end
// a credential, or lift a legal hold.
func (r *Registry) authorizeClosed(tx store.Tx, actor Principal, may right) (Principal, error) {
	p, err := r.Current(tx, actor)
	if err != nil {
		return Principal{}, err
	}
	if !may(p) {
		return Principal{}, ErrForbidden
	}
	return p, nil
}

// errLoosen says who may do what the actor may not.
func errLoosen(what string) error {
	return in(ErrForbidden, "%s loosens oversight; ask an approver", what)
}

// isText reports whether s is UTF-8 without controls or invisible characters.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool {
		return !unicode.IsPrint(c)
	}) < 0
}

// Configures reads an actor again and returns it if it may configure the installation, which
// is what adding a client needs.
func (r *Registry) Configures(tx store.Tx, actor Principal) (Principal, error) {
	return r.authorize(tx, actor, configure)
}
