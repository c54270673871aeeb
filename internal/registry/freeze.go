package registry

import (
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// The kinds of freezes.
const (
	FreezeAgent   = "agent"
	FreezeMailbox = "mailbox"
	FreezeDomain  = "domain" // of the senders
	FreezeAll     = "all"
)

// FreezeScope is what a freeze stops.
type FreezeScope struct {
	Kind string
	Name string // "" for all
}

// ParseFreezeScope reads "all", "agent:demo", "mailbox:a@b.example" or
// "domain:b.example" and returns the one spelling of it.
func ParseFreezeScope(s string) (FreezeScope, error) {
	kind, name, _ := strings.Cut(s, ":")
	switch kind {
	case FreezeAll:
		if s == FreezeAll {
			return FreezeScope{Kind: FreezeAll}, nil
		}
	case FreezeAgent:
		if validName(name) {
			return FreezeScope{kind, name}, nil
		}
	case FreezeMailbox:
		a, err := mail.ParseAddress(name)
		return FreezeScope{kind, a.Key()}, err
	case FreezeDomain:
		name, err := mail.ParseDomain(name)
		return FreezeScope{kind, name}, err
	}
	return FreezeScope{}, in(ErrInvalid,
		"a freeze is of all, agent:NAME, mailbox:ADDRESS or domain:DOMAIN")
}

// String returns what ParseFreezeScope reads.
func (s FreezeScope) String() string {
	if s.Name == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.Name
}

// MarshalText writes String.
func (s FreezeScope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *FreezeScope) UnmarshalText(b []byte) error {
	v, err := ParseFreezeScope(string(b))
	if err == nil {
		*s = v
	}
	return err
}

// Freeze is a stop in force: no mail in its scope is submitted or sent.
type Freeze struct {
	Scope  FreezeScope `json:"scope"`
	By     string      `json:"by"` // id of the principal
	Reason string      `json:"reason,omitempty"`
	At     time.Time   `json:"at"`
}

// Freeze stops everything in the scope. An agent may stop itself and its own
// mailboxes; with a credential that is limited to some mailboxes, these alone. What is not
// here cannot be frozen: a misspelt name must not look like a stop. Freezing the frozen
// changes and records nothing.
func (r *Registry) Freeze(
	tx store.Tx, actor Principal, scope FreezeScope, reason string,
) error {
	scope, err := ParseFreezeScope(scope.String())
	if err != nil {
		return err
	}
	p, err := r.authorize(tx, actor, mayFreeze(scope))
	if err != nil {
		return err
	}
	if err := checkText("reason", reason, 500); err != nil {
		return err
	}
	if err := r.here(tx, scope); err != nil {
		return err
	}
	key := freezeKey + scope.String()
	if _, ok, err := get[Freeze](tx, key); err != nil || ok {
		return err
	}
	err = put(tx, key, Freeze{Scope: scope, By: p.ID(), Reason: reason, At: tx.Now()})
	if err != nil {
		return err
	}
	facts, private := scope.details()
	private["reason"] = reason
	return r.policy(tx, p, audit.Freeze, facts, private)
}

// Thaw ends a freeze. It is loosening, even for who froze.
func (r *Registry) Thaw(tx store.Tx, actor Principal, scope FreezeScope) error {
	scope, err := ParseFreezeScope(scope.String())
	if err != nil {
		return err
	}
	p, err := r.authorize(tx, actor, either(mayFreeze(scope), mayThaw(scope)))
	if err != nil {
		return err
	}
	if !mayThaw(scope)(p) {
		return errLoosen("thawing")
	}
	key := freezeKey + scope.String()
	if _, ok, err := get[Freeze](tx, key); err != nil {
		return err
	} else if !ok {
		return in(ErrNotFound, "no freeze of %s", scope)
	}
	if err := space.Delete(tx, key); err != nil {
		return err
	}
	facts, private := scope.details()
	return r.policy(tx, p, audit.Thaw, facts, private)
}

// Freezes returns every freeze in force, by scope.
func (r *Registry) Freezes(tx store.Tx) ([]Freeze, error) { return list[Freeze](tx, freezeKey) }

// Frozen reports whether mail of the agent from the mailbox is stopped: by any
// freeze in scope, because the agent is disabled, or because the account is closed. An
// agent that is not here is frozen too (invariant 7).
func (r *Registry) Frozen(tx store.Tx, agent string, mailbox mail.Address) (bool, error) {
	a, ok, err := get[Agent](tx, agentKey+agent)
	if err != nil || !ok || a.Disabled {
		return true, err
	}
	if frozen, err := anyFreeze(tx, FreezeScope{FreezeAgent, agent}); err != nil || frozen {
		return true, err
	}
	return r.FrozenMailbox(tx, mailbox)
}

// FrozenMailbox reports whether mail for the mailbox is stopped by a freeze in
// scope, or because the account is closed. Mail that comes in is of no agent.
func (r *Registry) FrozenMailbox(tx store.Tx, mailbox mail.Address) (bool, error) {
	if _, closed, err := r.Closed(tx); err != nil || closed {
		return true, err
	}
	return anyFreeze(tx, FreezeScope{FreezeAll, ""}, FreezeScope{FreezeMailbox, mailbox.Key()},
		FreezeScope{FreezeDomain, mailbox.Domain()})
}

// anyFreeze reports whether one of these scopes is frozen; with an error it is.
func anyFreeze(tx store.Tx, scopes ...FreezeScope) (bool, error) {
	for _, s := range scopes {
		if _, ok, err := get[Freeze](tx, freezeKey+s.String()); err != nil || ok {
			return true, err
		}
	}
	return false, nil
}

// mayFreeze is the right to tighten what s stops.
func mayFreeze(s FreezeScope) right {
	switch s.Kind {
	case FreezeMailbox:
		a, err := mail.ParseAddress(s.Name)
		return func(p Principal) bool { return err == nil && tighten(a)(p) }
	case FreezeAgent:
		return func(p Principal) bool {
			return stop(p) || p.Kind == KindAgent && p.Name == s.Name && !p.Limited()
		}
	}
	return stop
}

// mayThaw is the right to loosen what s stops.
func mayThaw(s FreezeScope) right {
	if s.Kind != FreezeMailbox {
		return release
	}
	a, err := mail.ParseAddress(s.Name)
	return func(p Principal) bool { return err == nil && loosen(a)(p) }
}

// here returns ErrNotFound unless what s names exists.
func (r *Registry) here(tx store.Tx, s FreezeScope) error {
	switch s.Kind {
	case FreezeAgent:
		_, err := r.Agent(tx, s.Name)
		return err
	case FreezeDomain:
		_, err := r.Domain(tx, s.Name)
		return err
	case FreezeMailbox:
		a, err := mail.ParseAddress(s.Name)
		if err == nil {
			_, err = r.Mailbox(tx, a)
		}
		return err
	}
	return nil
}

// details are what an audit entry says of s, to everyone and in private.
func (s FreezeScope) details() (facts, private details) {
	facts, private = details{"scope": s.Kind}, details{}
	switch s.Kind {
	case FreezeMailbox:
		private["mailbox"] = s.Name
	case FreezeAgent, FreezeDomain:
		facts[s.Kind] = s.Name
	}
	return facts, private
}
