package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"strings"
)

// Metadata is what a client says of itself (RFC 7591, section 2). Members that are not here
// are left out of the answer, as the standard has it.
type Metadata struct {
	Redirects     []string        `json:"redirect_uris"`
	Method        Method          `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes    []string        `json:"grant_types,omitempty"`
	ResponseTypes []string        `json:"response_types,omitempty"`
	Name          string          `json:"client_name,omitempty"`
	Scope         string          `json:"scope,omitempty"`
	Keys          json.RawMessage `json:"jwks,omitempty"`
	KeysURI       string          `json:"jwks_uri,omitempty"`
}

// Registered is the answer to a registration (RFC 7591, section 3.2.1).
type Registered struct {
	ID        string `json:"client_id"`
	IssuedAt  int64  `json:"client_id_issued_at"`
	Secret    string `json:"client_secret,omitempty"`
	ExpiresAt *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
	Metadata
}

// What registrations may be there that nobody has used.
const (
	unusedLife    = 24 * time.Hour
	maxUnused     = 500
	maxUnusedFrom = 20 // from one network
)

// lapsed reports whether a registration that was never used is over.
func (c Client) lapsed(now time.Time) bool {
	return c.Source == BySelf && c.UsedAt.IsZero() && now.Sub(c.CreatedAt) > unusedLife
}

// described returns the client that metadata describe, of a host that is allowed.
func (s *Server) described(m Metadata) (Client, *Error) {
	c := Client{Name: m.Name, Redirects: m.Redirects, Method: m.Method, Keys: m.Keys, KeysURI: m.KeysURI}
	if len(c.Redirects) == 0 {
		return c, refuse(InvalidRedirect, "redirect_uris is required")
	}
	for _, g := range m.GrantTypes {
		if g != "authorization_code" && g != "refresh_token" {
			return c, refuse(InvalidMetadata, "grant_types are authorization_code and refresh_token")
		}
	}
	if slices.ContainsFunc(m.ResponseTypes, func(t string) bool { return t != "code" }) {
		return c, refuse(InvalidMetadata, "response_types is code")
	}
	if _, e := readScopes(m.Scope); e != nil {
		return c, refuse(InvalidMetadata, "%s", e.Description)
	}
	if e := s.check(c); e != nil {
		return c, e
	}
	for _, r := range c.Redirects {
		if !s.allowedHost(r) {
			return c, refuse(InvalidRedirect, "the operator does not allow this host in a redirect URI; "+
				"ask to have the client added, or its host allowed")
		}
	}
	return c, nil
}

// Register takes a client that registers itself, from a network. Who may is a matter of the
// hosts of its redirect URIs. A registration that gets no token within a day is forgotten, and
// earlier where there are too many. The log names it with its first token: what strangers send
// fills no log.
func (s *Server) Register(ctx context.Context, m Metadata, network string) (out Registered, err error) {
	if len(s.o.Hosts) == 0 {
		return out, refuse(InvalidMetadata, "clients cannot register themselves here; ask the operator to add this one")
	}
	if m.Method == "" {
		m.Method = MethodBasic // the default of RFC 7591
	}
	c, e := s.described(m)
	if e != nil {
		return out, e
	}
	secret := ""
	if c.Method == MethodBasic || c.Method == MethodPost {
		secret = token("mms_")
		c.Secret = hashOf(secret)
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.o.Registry.Open(tx); errors.Is(err, registry.ErrClosed) {
			return refuse(InvalidMetadata, "nobody registers here any more: the account is closed")
		} else if err != nil {
			return err
		}
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		c.From = ks.mark("network " + network)
		if err := s.makeRoom(tx, c.From); err != nil {
			return err
		}
		c.ID, c.Source, c.CreatedAt = "mmc_"+strings.ToLower(string(mail.NewID(tx.Now()))), BySelf, tx.Now()
		return put(tx, clientKey+c.ID, c)
	})
	if err != nil {
		return out, err
	}
	out = Registered{ID: c.ID, IssuedAt: c.CreatedAt.Unix(), Secret: secret, Metadata: m}
	out.GrantTypes, out.ResponseTypes = []string{"authorization_code", "refresh_token"}, []string{"code"}
	if secret != "" {
		out.ExpiresAt = new(int64)
	}
	return out, nil
}

// system is who acts where no principal does.
var system = registry.Principal{Kind: "system", Name: "oauth", UID: -1}

// makeRoom removes registrations that have lapsed, and one more where too many are unused: the
// oldest of the network that registers now, if that has too many, or else of the networks that
// have the most. So nobody keeps others from registering for longer than it goes on.
func (s *Server) makeRoom(tx store.Tx, from string) error {
	all, err := s.Clients(tx)
	if err != nil {
		return err
	}
	var unused []Client // oldest first
	count := map[string]int{}
	for _, c := range all {
		switch {
		case c.Source != BySelf || !c.UsedAt.IsZero() || !c.EndedAt.IsZero():
		case c.lapsed(tx.Now()):
			if err := space.Delete(tx, clientKey+c.ID); err != nil {
				return err
			}
		default:
			unused = append(unused, c)
			count[c.From]++
		}
	}
	most := 0
	for _, n := range count {
		most = max(most, n)
	}
	at := -1
	switch {
	case count[from] >= maxUnusedFrom:
		at = slices.IndexFunc(unused, func(c Client) bool { return c.From == from })
	case len(unused) >= maxUnused:
		at = slices.IndexFunc(unused, func(c Client) bool { return count[c.From] == most })
	}
	if at < 0 {
		return nil
	}
	return space.Delete(tx, clientKey+unused[at].ID)
}
