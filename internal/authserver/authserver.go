// Package authserver is the embedded OAuth 2.1 authorization server: a person, or an admin,
// lets a client act as an agent here, and the client gets short-lived tokens for it.
//
//	GET  /oauth/authorize   [Server.Begin], then sign-in and consent: [Server.Offers], [Server.Consent]
//	POST /oauth/token       [Server.Token]
//	POST /oauth/register    [Server.Register] (RFC 7591)
//	POST /oauth/revoke      [Server.Revoke] (RFC 7009)
//	POST /oauth/introspect  [Server.Introspect] (RFC 7662)
//
// It keeps to what clients of MCP need (OAuth 2.1, RFC 8414, 8707, 9207, 7636 with S256
// alone) and nothing besides. What a token is worth is decided where it is used: it names
// a grant of package registry, which is read again each time. Package httpd speaks HTTP;
// here are the rules.
//
// The files, in the order of the road: client.go, redirect.go, document.go and register.go
// say who a client is; request.go reads what it asks for; session.go signs a person in,
// consent.go offers and records the choice; code.go, refresh.go and token.go give out
// tokens, assertion.go proves a client; access.go makes and checks access tokens; keys.go
// has the secrets; revoke.go ends.
package authserver

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// Options are what a Server is made from.
type Options struct {
	// Origin is how clients address this installation: https, a host and nothing more,
	// or http on loopback. It is the issuer.
	Origin   string
	Store    store.Store
	Registry *registry.Registry
	Rules    []Rule

	// Hosts are those that the redirect URIs of clients may have which register themselves
	// or publish a document; without any nobody can.
	Hosts []string
	// Access is how long an access token lasts, Refresh how long a refresh token that is
	// not used.
	Access, Refresh time.Duration
	// Fetch gets a document of a client from a public HTTPS host; nil: no client publishes
	// anything. It must not follow redirects, and bounds time and size.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Inside reports whether Fetch reaches a host of the operator's own network; nil: none.
	Inside func(host string) bool
	Log    *slog.Logger // nil means slog.Default
}

// Server is the authorization server of one installation. It keeps its records in the
// store, so every node of an installation is the same server.
type Server struct {
	o         Options
	documents documents
}

// Where the records stand.
const (
	keysKey    = "oauth/keys"
	clientKey  = "oauth/client/"  // + client id
	codeKey    = "oauth/code/"    // + hash of the code
	refreshKey = "oauth/refresh/" // + hash of the token
	usedKey    = "oauth/used/"    // + hash of what counts once: an assertion, a consent form
)

var space = store.NewSpace("oauth/")

// The resources of an installation, behind its origin (RFC 8707). What asks for none
// gets the first.
const (
	ResourceMCP  = "/mcp"
	ResourceREST = "/v1"
)

// New checks the options and returns a server.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Registry == nil {
		return nil, errors.New("authserver: store and registry are required")
	}
	if o.Access <= 0 || o.Access > 10*time.Minute || o.Refresh <= 0 {
		return nil, errors.New("authserver: lifetimes are required; an access token lasts ten minutes at most")
	}
	if err := checkOrigin(o.Origin); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{o: o}
	o.Registry.JudgeGrants(s.ruled)
	return s, nil
}

// Issuer is the identifier of this server (RFC 8414, section 2).
func (s *Server) Issuer() string { return s.o.Origin }

// resources are the audiences that a token may have.
func (s *Server) resources() []string {
	return []string{s.o.Origin + ResourceMCP, s.o.Origin + ResourceREST}
}

// resource returns the audience that a request names; ok is false for one that is not ours.
// A trailing slash is the same resource: clients write both.
func (s *Server) resource(asked string) (r string, ok bool) {
	if asked == "" {
		return s.o.Origin + ResourceMCP, true
	}
	for _, r := range s.resources() {
		if strings.TrimSuffix(asked, "/") == r {
			return r, true
		}
	}
	return "", false
}

// ScopeNames are the scopes that clients can get.
func ScopeNames() []string { return strings.Fields(joined(grantable)) }

// SigningAlgorithms are those of private_key_jwt.
var SigningAlgorithms = signing

// TakesRegistrations reports whether clients can register themselves.
func (s *Server) TakesRegistrations() bool { return len(s.o.Hosts) > 0 }

// TakesDocuments reports whether clients can publish what they are.
func (s *Server) TakesDocuments() bool { return len(s.o.Hosts) > 0 && s.o.Fetch != nil }
