package authserver

import (
	"slices"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// refresh is a refresh token. Each is good once: its use brings the next one. The family of
// all of them is the grant.
type refresh struct {
	Grant  string           `json:"grant"`
	Client string           `json:"client"`
	Scopes []registry.Scope `json:"scopes"`
	Until  time.Time        `json:"until"`
	Used   bool             `json:"used,omitempty"`
}

func refreshAt(secret string) string {
	b, _ := hashOf(secret).MarshalText()
	return refreshKey + string(b)
}

// next stores a refresh token and returns it.
func (s *Server) next(tx store.Tx, r refresh) (secret string, err error) {
	secret, r.Used, r.Until = token("mmr_"), false, tx.Now().Add(s.o.Refresh)
	return secret, put(tx, refreshAt(secret), r)
}

// turn uses a refresh token up. One that was used before was stolen, by whoever comes first
// or second, and so was one that another client has: the grant ends (RFC 9700, section
// 4.14.2). stolen is as in redeem.
func (s *Server) turn(tx store.Tx, c Client, q TokenRequest) (g registry.Grant, r refresh, stolen bool, err error) {
	bad := refuse(InvalidGrant, "the refresh token is not valid any more; sign in again")
	ok, err := read(tx, refreshAt(q.Refresh), &r)
	switch {
	case err != nil:
		return g, r, false, err
	case !ok:
		return g, r, false, bad
	case r.Used || r.Client != c.ID:
		return g, r, true, s.o.Registry.EndGrantAs(tx, r.Grant, "replay")
	case !tx.Now().Before(r.Until):
		return g, r, false, bad
	}
	if g, err = s.o.Registry.GrantByID(tx, r.Grant); err != nil {
		return g, r, false, err
	}
	if asked, ok := s.resource(q.Resource); q.Resource != "" && (!ok || asked != g.Resource) {
		return g, r, false, refuse(InvalidTarget, "the grant is for %s", g.Resource)
	}
	if !g.EndedAt.IsZero() {
		return g, r, false, bad
	}
	if err := s.o.Registry.StillGrants(tx, g); err != nil {
		return g, r, false, err
	}
	used := r
	used.Used = true
	return g, r, false, put(tx, refreshAt(q.Refresh), used)
}

// within reports whether some mailboxes are among those of a rule; nil is all.
func within(some, allowed []mail.Address) bool {
	if allowed == nil || some == nil {
		return allowed == nil
	}
	return !slices.ContainsFunc(some, func(a mail.Address) bool { return !slices.Contains(allowed, a) })
}

// ruled reports whether the configuration lets a person grant this at a time. What rests on a
// role is good for as long as a refresh token that is not used: only a sign-in tells whether the
// person still has the role.
func (s *Server) ruled(g registry.Grant, now time.Time) bool {
	roles := g.Roles
	if !now.Before(g.CreatedAt.Add(s.o.Refresh)) {
		roles = nil
	}
	return slices.ContainsFunc(s.o.Rules, func(rule Rule) bool {
		return rule.names(g.Person, roles) && slices.Contains(rule.Agents, g.Owner) &&
			len(both(g.Scopes, rule.Scopes)) == len(g.Scopes) && within(g.Mailboxes, rule.Mailboxes)
	})
}
