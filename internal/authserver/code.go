package authserver

import (
	"slices"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// codeLife is how long a code may be redeemed (RFC 6749, section 4.1.2, asks for little).
const codeLife = time.Minute

// code is what a person has consented to. It becomes a grant when the client redeems it, and
// is kept longer than it is good, so that its second use is noticed.
type code struct {
	Client    string                `json:"client"`
	Redirect  string                `json:"redirect"`
	Asked     bool                  `json:"asked"` // the request named the redirect URI
	Challenge string                `json:"challenge"`
	Grant     registry.GrantRequest `json:"grant"`
	Person    mail.Person           `json:"person,omitzero"`
	Admin     *Admin                `json:"admin,omitempty"`
	Until     time.Time             `json:"until"`
	Made      string                `json:"made,omitempty"` // id of the grant, once it was redeemed
}

// keepCodes is how long a code is remembered.
const keepCodes = 24 * time.Hour

func codeAt(secret string) string {
	b, _ := hashOf(secret).MarshalText()
	return codeKey + string(b)
}

// keep stores a code.
func (s *Server) keep(tx store.Tx, secret string, r *Request, in SignedIn, o Offer) error {
	return put(tx, codeAt(secret), code{Client: r.Client.ID, Redirect: r.Redirect, Asked: r.Asked, Challenge: r.Challenge,
		Grant: registry.GrantRequest{Kind: o.Kind, Owner: o.Owner, Client: r.Client.ID, Scopes: o.Scopes,
			Mailboxes: o.Mailboxes, Resource: r.Resource, Roles: in.Roles},
		Person: in.Person, Admin: in.Admin, Until: tx.Now().Add(codeLife)})
}

// redeem makes the grant of a code. A code that is presented twice was stolen: what the
// first use has brought ends (RFC 6749, section 10.5). stolen tells that of another refusal,
// since it must be stored.
func (s *Server) redeem(tx store.Tx, c Client, q TokenRequest) (g registry.Grant, stolen bool, err error) {
	var of code
	bad := refuse(InvalidGrant, "the code is not valid, or not for this client, redirect URI and verifier")
	ok, err := read(tx, codeAt(q.Code), &of)
	switch {
	case err != nil:
		return g, false, err
	case !ok || of.Client != c.ID:
		return g, false, bad
	case of.Made != "":
		return g, true, s.o.Registry.EndGrantAs(tx, of.Made, "replay")
	case !tx.Now().Before(of.Until) || !proves(q.Verifier, of.Challenge):
		return g, false, bad
	case q.Redirect != of.Redirect && (of.Asked || q.Redirect != ""):
		return g, false, bad
	}
	if r, ok := s.resource(q.Resource); q.Resource != "" && (!ok || r != of.Grant.Resource) {
		return g, false, refuse(InvalidTarget, "the code is for %s", of.Grant.Resource)
	}
	if of.Admin != nil {
		g, err = s.o.Registry.Grant(tx, of.Admin.principal(), of.Grant, false)
	} else {
		g, err = s.o.Registry.GrantAsPerson(tx, of.Person, of.Grant)
	}
	if err != nil {
		return g, false, err
	}
	if err := s.trim(tx, g); err != nil {
		return g, false, err
	}
	of.Made = g.ID
	return g, false, put(tx, codeAt(q.Code), of)
}

// maxGrants are the grants of one person to one client, for one principal and resource, that
// are active at once: as many machines as a person has, and no more.
const maxGrants = 5

// trim ends the oldest of the grants that are like g, where there are too many.
func (s *Server) trim(tx store.Tx, g registry.Grant) error {
	all, err := s.o.Registry.Grants(tx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(had registry.Grant) bool {
		return !had.EndedAt.IsZero() || had.Client != g.Client || had.Person != g.Person || had.Kind != g.Kind ||
			had.Owner != g.Owner || had.Resource != g.Resource
	})
	for ; len(all) > maxGrants; all = all[1:] { // oldest first
		if err := s.o.Registry.EndGrantAs(tx, all[0].ID, "replaced"); err != nil {
			return err
		}
	}
	return nil
}
