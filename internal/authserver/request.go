package authserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// Request is what a client asks for at the authorization endpoint, found good.
type Request struct {
	Client    Client
	Redirect  string // as asked, one that the client has
	Host      string // of Redirect, and
	Origin    string // its scheme, host and port: nothing of either needs to be escaped
	Asked     bool   // the request named it
	State     string
	Scopes    []registry.Scope
	Resource  string
	Challenge string // PKCE, S256
	Silent    bool   // prompt=none: nothing may be shown
}

// Failure is a refused authorization request. With Redirect the client is told, and
// without it only the person in front of the browser: an address that is not the client's
// gets nothing (RFC 6749, section 4.1.2.1).
type Failure struct {
	Refusal  *Error
	Redirect string // the whole URL to send the browser to
}

// Error implements error.
func (f *Failure) Error() string { return f.Refusal.Error() }

// Bounds of the request.
const (
	maxState  = 1024
	challenge = 43 // base64url of SHA-256
)

// defaultScopes are asked for by who names none.
var defaultScopes = []registry.Scope{registry.ScopeRead}

// Begin reads an authorization request. The error is nil, a *Failure, or a fault of the
// server.
func (s *Server) Begin(ctx context.Context, q url.Values) (*Request, error) {
	for name, values := range q {
		if len(values) > 1 && name != "resource" {
			return nil, &Failure{Refusal: refuse(InvalidRequest, "%.40q is given more than once", name)}
		}
	}
	c, err := s.find(ctx, q.Get("client_id"))
	if e := AsError(err); e != nil {
		return nil, &Failure{Refusal: e}
	}
	if err != nil {
		return nil, err
	}
	r := &Request{Client: c, State: q.Get("state"), Challenge: q.Get("code_challenge"), Silent: q.Get("prompt") == "none"}
	if r.Redirect, r.Asked = q.Get("redirect_uri"), q.Has("redirect_uri"); !r.Asked && len(c.Redirects) == 1 {
		r.Redirect = c.Redirects[0]
	}
	to, ok := c.hasRedirect(r.Redirect)
	if !ok {
		return nil, &Failure{Refusal: refuse(InvalidRequest, "the redirect URI is not one that the client has registered")}
	}
	r.Host, r.Origin = to.Host(), to.Origin()
	if len(r.State) > maxState || !mail.AllPrintable(r.State) {
		r.State = "" // it is not written back
		return nil, s.fail(r, refuse(InvalidRequest, "state has at most %d printable characters", maxState))
	}
	if e := s.ask(r, q); e != nil {
		return nil, s.fail(r, e)
	}
	return r, nil
}

// ask reads what the client may be told about.
func (s *Server) ask(r *Request, q url.Values) *Error {
	if r.Client.Own != "" {
		return refuse(UnauthorizedClient, "this client acts for itself, with client_credentials")
	}
	if q.Get("response_type") != "code" {
		return refuse(UnsupportedResponseType, "response_type is code")
	}
	if m := q.Get("response_mode"); m != "" && m != "query" {
		return refuse(InvalidRequest, "response_mode is query")
	}
	if q.Has("request") || q.Has("request_uri") {
		return refuse(InvalidRequest, "request objects are not taken")
	}
	if q.Get("code_challenge_method") != "S256" || !isChallenge(r.Challenge) {
		return refuse(InvalidRequest, "PKCE is required: code_challenge with code_challenge_method S256")
	}
	asked := q["resource"]
	if len(asked) > 1 {
		return refuse(InvalidTarget, "a token is for one resource")
	}
	var ok bool
	if r.Resource, ok = s.resource(q.Get("resource")); !ok {
		return refuse(InvalidTarget, "the resources here are %s", strings.Join(s.resources(), ", "))
	}
	var e *Error
	r.Scopes, e = readScopes(q.Get("scope"))
	if len(r.Scopes) == 0 {
		r.Scopes = defaultScopes
	}
	return e
}

// grantable are the scopes that a client may get, in the order in which they are shown.
var grantable = []registry.Scope{registry.ScopeRead, registry.ScopeSend, registry.ScopeOversightRead,
	registry.ScopeOversight, registry.ScopeAdmin, registry.ScopeAuditRead, registry.ScopeTighten}

// readScopes reads a scope parameter (RFC 6749, section 3.3). offline_access is left out:
// every grant can be refreshed.
func readScopes(text string) (out []registry.Scope, e *Error) {
	if len(text) > 512 {
		return nil, refuse(InvalidScope, "scope is longer than 512 octets")
	}
	for word := range strings.FieldsSeq(text) {
		switch s := registry.Scope(word); {
		case word == "offline_access":
		case !slices.Contains(grantable, s):
			return nil, refuse(InvalidScope, "the scopes here are %v", grantable)
		case !slices.Contains(out, s):
			out = append(out, s)
		}
	}
	return out, nil
}

func isChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == challenge && len(b) == sha256.Size
}

// proves reports whether a code verifier is that of a challenge (RFC 7636, section 4.6).
func proves(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 || strings.Trim(verifier, unreserved) != "" {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	want, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && Hash(sum).is(Hash(want))
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// fail is a failure that the client is told of, with iss (RFC 9207).
func (s *Server) fail(r *Request, e *Error) *Failure {
	return &Failure{e, s.answer(r, url.Values{"error": {e.Code}, "error_description": {e.Description}})}
}

// Refuse is a refusal to grant what r asks for.
func (s *Server) Refuse(r *Request, code, description string) string {
	return s.fail(r, refuse(code, "%s", description)).Redirect
}

// answer is where the browser goes with an answer.
func (s *Server) answer(r *Request, answer url.Values) string {
	if r.State != "" {
		answer.Set("state", r.State)
	}
	answer.Set("iss", s.Issuer())
	sep := "?"
	if strings.Contains(r.Redirect, "?") {
		sep = "&"
	}
	return r.Redirect + sep + answer.Encode()
}

// binding is what consent is bound to: everything that the code will be good for.
func (r *Request) binding() string {
	sum := sha256.New()
	for _, part := range []string{r.Client.ID, r.Redirect, r.State, r.Resource, r.Challenge, joined(r.Scopes)} {
		part = url.QueryEscape(part) + "\n"
		sum.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

func joined(scopes []registry.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}
