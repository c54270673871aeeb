package authserver

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// TokenRequest is a request to the token endpoint, as its form says.
type TokenRequest struct {
	Proof     Proof
	GrantType string
	Code      string
	Redirect  string
	Verifier  string
	Refresh   string
	Scope     string
	Resource  string
}

// Proof is how a client shows that it is itself.
type Proof struct {
	ID             string // of the client
	Secret         string
	Basic          bool   // the secret came in the Authorization field
	AssertionType  string // with Assertion, private_key_jwt
	Assertion      string
	assertedUntil  time.Time
	assertedUnique string
}

// Tokens is the answer of the token endpoint.
type Tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"` // seconds
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope"`
}

// The grant types.
const (
	typeCode    = "authorization_code"
	typeRefresh = "refresh_token"
	typeClient  = "client_credentials"
)

// GrantTypes lists them.
var GrantTypes = []string{typeCode, typeRefresh, typeClient}

// Token answers a request to the token endpoint. An error is a refusal by [AsError], or a
// fault of the server.
func (s *Server) Token(ctx context.Context, q TokenRequest) (out Tokens, err error) {
	c, err := s.authenticate(ctx, &q.Proof)
	if err != nil {
		return out, err
	}
	var give func(store.Tx) (registry.Grant, []registry.Scope, string, error)
	theft := false
	switch q.GrantType {
	case typeCode:
		give = func(tx store.Tx) (g registry.Grant, scopes []registry.Scope, next string, err error) {
			g, stolen, err := s.redeem(tx, c, q)
			if theft = stolen; err != nil || stolen {
				return g, nil, "", err
			}
			next, err = s.next(tx, refresh{Grant: g.ID, Client: c.ID, Scopes: g.Scopes})
			return g, g.Scopes, next, err
		}
	case typeRefresh:
		give = func(tx store.Tx) (g registry.Grant, scopes []registry.Scope, next string, err error) {
			g, r, stolen, err := s.turn(tx, c, q)
			if theft = stolen; err != nil || stolen {
				return g, nil, "", err
			}
			if scopes, err = narrowed(r.Scopes, q.Scope); err != nil {
				return g, nil, "", err
			}
			next, err = s.next(tx, r)
			return g, scopes, next, err
		}
	case typeClient:
		give = func(tx store.Tx) (g registry.Grant, scopes []registry.Scope, next string, err error) {
			g, err = s.own(tx, c, q)
			if err == nil {
				scopes, err = narrowed(g.Scopes, q.Scope)
			}
			return g, scopes, "", err
		}
	default:
		return out, refuse(UnsupportedGrantType, "the grant types here are %s", strings.Join(GrantTypes, ", "))
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.spend(tx, c, q.Proof); err != nil {
			return err
		}
		g, scopes, next, err := give(tx)
		if err != nil || theft {
			return err
		}
		if err := s.markUsed(tx, c); err != nil {
			return err
		}
		out = Tokens{Type: "Bearer", Expires: int(s.o.Access.Seconds()), Refresh: next, Scope: joined(scopes)}
		out.Access, err = s.access(tx, g, scopes)
		return err
	})
	return out, outcome(err, theft)
}

// outcome words what came of a transaction for the client. What the registry refuses is a
// grant that is not there any more; why is not the client's to know.
func outcome(err error, theft bool) error {
	var refused *mail.Error
	switch {
	case err == nil && theft:
		return refuse(InvalidGrant,
			"this was used already, or by another client; everything that it has brought is revoked. Sign in again")
	case AsError(err) != nil || err == nil:
		return err
	case errors.As(err, &refused) && refused.Kind != mail.ErrInternal && !refused.Temporary():
		return refuse(InvalidGrant, "this cannot be granted any more; sign in again")
	}
	return err
}

// own is the grant of a client that acts for itself.
func (s *Server) own(tx store.Tx, c Client, q TokenRequest) (g registry.Grant, err error) {
	if c.Own == "" || c.Method != MethodSigned {
		return g, refuse(UnauthorizedClient, "client_credentials is for clients that the operator has given an agent")
	}
	if g, err = s.o.Registry.GrantByID(tx, c.Own); err != nil {
		return g, err
	}
	if r, ok := s.resource(q.Resource); q.Resource != "" && (!ok || r != g.Resource) {
		return g, refuse(InvalidTarget, "the client is for %s", g.Resource)
	}
	if !g.EndedAt.IsZero() {
		return g, refuse(InvalidGrant, "the operator has ended what this client may do")
	}
	return g, nil
}

// narrowed returns the scopes that a request leaves of those it may have.
func narrowed(have []registry.Scope, asked string) ([]registry.Scope, error) {
	want, e := readScopes(asked)
	if e != nil {
		return nil, e
	}
	if len(want) == 0 {
		return have, nil
	}
	if len(both(want, have)) != len(want) {
		return nil, refuse(InvalidScope, "the grant has only %s; ask for more at the authorization endpoint", joined(have))
	}
	return want, nil
}

// markUsed notes the first token of a registration, which then stays and is in the log.
func (s *Server) markUsed(tx store.Tx, c Client) error {
	if c.Source != BySelf || !c.UsedAt.IsZero() {
		return nil
	}
	c, err := s.client(tx, c.ID)
	if err != nil {
		return err
	}
	c.UsedAt, c.From = tx.Now(), ""
	if err := put(tx, clientKey+c.ID, c); err != nil {
		return err
	}
	return s.note(tx, system, registry.ClientAdded, c)
}
