package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// OAuth is how clients get tokens, and how they find out.
type OAuth struct {
	Origin string             // how clients address this server, such as https://mail.example.com
	Issuer string             // of the authorization server: Origin, or another one
	Server *authserver.Server // nil: the issuer is another one
	Logins []Login            // where people sign in to grant something; those of an admin need none
	// Scopes are what challenges ask for, by our names; nil: those themselves.
	Scopes map[string]string
}

// Login signs people in at an issuer.
type Login interface {
	Issuer() string
	Start(ctx context.Context, state, nonce, verifier string) (url string, err error)
	// Finish takes the answer of the issuer, whose state the caller has compared.
	Finish(ctx context.Context, answer url.Values, nonce, verifier string) (
		who mail.Person, roles []string, name string, err error)
}

// Bounds of the endpoints of OAuth.
const (
	maxForm          = 64 << 10 // octets of a body
	oauthPerMinute   = 120      // requests from one source
	clientsPerMinute = 10       // registrations from one network
	oauthPerClient   = 600      // requests that name one client
)

// firstScopes are what a client should ask for that has no token yet.
var firstScopes = []string{"read", "send"}

// CallbackPath is where the answer of an issuer comes to, behind the origin.
const CallbackPath = "/oauth/callback"

// Where the endpoints are.
const (
	pathMetadata   = "/.well-known/oauth-authorization-server"
	pathResource   = "/.well-known/oauth-protected-resource"
	pathAuthorize  = "/oauth/authorize"
	pathConsent    = "/oauth/consent"
	pathLogin      = "/oauth/login"
	pathCallback   = CallbackPath
	pathToken      = "/oauth/token"
	pathRegister   = "/oauth/register"
	pathRevoke     = "/oauth/revoke"
	pathIntrospect = "/oauth/introspect"
	pathKeys       = "/oauth/jwks.json"
)

// mountOAuth adds the endpoints of OAuth. They are no operations of the API: browsers and
// libraries of OAuth ask them, in its forms.
func (s *Server) mountOAuth(mux *http.ServeMux) {
	o := s.o.OAuth
	for _, path := range []string{authserver.ResourceMCP, authserver.ResourceREST} {
		mux.HandleFunc("GET "+pathResource+path, s.constant(s.resourceMetadata(path)))
	}
	mux.HandleFunc("GET "+pathResource, s.constant(s.resourceMetadata(authserver.ResourceMCP)))
	if o.Server == nil {
		return
	}
	mux.HandleFunc("GET "+pathMetadata, s.constant(s.serverMetadata()))
	mux.HandleFunc("GET "+pathKeys, s.oauthKeys)
	mux.HandleFunc("GET "+pathAuthorize, s.authorize)
	mux.HandleFunc("POST "+pathConsent, s.consent)
	mux.HandleFunc("POST "+pathLogin, s.loginByKey)
	mux.HandleFunc("GET "+pathLogin+"/{issuer}", s.loginStart)
	mux.HandleFunc("GET "+pathCallback, s.loginCallback)
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) (any, error){
		pathToken: s.oauthToken, pathRevoke: s.oauthRevoke, pathIntrospect: s.oauthIntrospect, pathRegister: s.oauthRegister,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { s.oauthAnswer(w, r, h) })
		mux.HandleFunc("OPTIONS "+path, allowOrigins)
	}
}

// resourceMetadata is what a resource says of itself (RFC 9728, section 2).
func (s *Server) resourceMetadata(path string) any {
	return map[string]any{
		"resource": s.o.OAuth.Origin + path, "authorization_servers": []string{s.o.OAuth.Issuer},
		"bearer_methods_supported": []string{"header"}, "resource_name": "MultiMail",
		"scopes_supported": s.oauthScopes(authserver.ScopeNames()),
	}
}

// serverMetadata is what the authorization server says of itself (RFC 8414, section 2).
func (s *Server) serverMetadata() any {
	o := s.o.OAuth
	m := map[string]any{
		"issuer": o.Issuer, "authorization_endpoint": o.Origin + pathAuthorize, "token_endpoint": o.Origin + pathToken,
		"revocation_endpoint": o.Origin + pathRevoke, "introspection_endpoint": o.Origin + pathIntrospect,
		"jwks_uri": o.Origin + pathKeys, "scopes_supported": authserver.ScopeNames(),
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"grant_types_supported": authserver.GrantTypes, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported":            authserver.Methods,
		"token_endpoint_auth_signing_alg_values_supported": authserver.SigningAlgorithms,
		"revocation_endpoint_auth_methods_supported":       authserver.Methods,
		"introspection_endpoint_auth_methods_supported":    authserver.Methods[1:],
		"authorization_response_iss_parameter_supported":   true,
		"client_id_metadata_document_supported":            o.Server.TakesDocuments(),
	}
	if o.Server.TakesRegistrations() {
		m["registration_endpoint"] = o.Origin + pathRegister
	}
	return m
}

// oauthScopes returns scopes as the issuer calls them.
func (s *Server) oauthScopes(ours []string) (out []string) {
	for _, name := range ours {
		if theirs, ok := s.o.OAuth.Scopes[name]; ok || s.o.OAuth.Scopes != nil {
			name = theirs
		}
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// challenge is the WWW-Authenticate of an answer that asks for another token (RFC 6750,
// section 3; RFC 9728, section 5.1). code is "" where none was presented; scopes are all
// that the operation needs.
func (s *Server) challenge(resource, code string, scopes []string) string {
	c := `Bearer realm="multimail"`
	if code != "" {
		c += `, error="` + code + `"`
	}
	if s.o.OAuth == nil {
		return c
	}
	if names := s.oauthScopes(scopes); len(names) > 0 {
		c += `, scope="` + strings.Join(names, " ") + `"`
	}
	return c + `, resource_metadata="` + s.o.OAuth.Origin + pathResource + resource + `"`
}

// constant serves a document that anyone may read, from any page.
func (s *Server) constant(doc any) http.HandlerFunc {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // maps of texts
	}
	return func(w http.ResponseWriter, r *http.Request) {
		_ = publish(w, r, append(b, '\n'), "application/json", time.Hour)
	}
}

func (s *Server) oauthKeys(w http.ResponseWriter, r *http.Request) {
	set, err := s.o.OAuth.Server.KeySet(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b, err := json.Marshal(set)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	_ = publish(w, r, b, "application/jwk-set+json", time.Hour)
}

// allowOrigins lets pages of any origin ask: no cookie counts at these endpoints.
func allowOrigins(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Mcp-Protocol-Version")
	h.Set("Access-Control-Max-Age", "3600")
	w.WriteHeader(http.StatusNoContent)
}

// oauthAnswer answers in the form of RFC 6749, section 5.
func (s *Server) oauthAnswer(
	w http.ResponseWriter, r *http.Request, h func(http.ResponseWriter, *http.Request) (any, error),
) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	var out any
	wait, err := s.oauthTurn(r), error(nil)
	if wait > 0 {
		err = tooFast(mail.LimitOAuth, wait, "too many requests from your address")
	} else {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		out, err = h(w, r)
	}
	var refused *authserver.Error
	switch {
	case err == nil && r.URL.Path == pathRegister:
		writeJSON(w, http.StatusCreated, out)
	case err == nil:
		writeJSON(w, http.StatusOK, out)
	case errors.As(err, &refused):
		status := http.StatusBadRequest
		switch refused.Code {
		case authserver.InvalidClient:
			status = http.StatusUnauthorized
			if _, _, basic := r.BasicAuth(); basic {
				w.Header().Set("WWW-Authenticate", `Basic realm="multimail"`)
			}
		case authserver.TemporarilyUnavailable:
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		}
		writeJSON(w, status, map[string]string{"error": refused.Code, "error_description": refused.Description})
	default:
		s.oauthFail(w, r, err)
	}
}

// oauthFail answers what is no refusal of OAuth, such as a store that takes nothing, in its
// form too: libraries read no other. Nothing was used up, so the client may try again.
func (s *Server) oauthFail(w http.ResponseWriter, r *http.Request, err error) {
	status, body, after := s.explain(r.Method, r.Pattern, err)
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	code := authserver.ServerError
	switch {
	case status == http.StatusTooManyRequests:
		leave(w, r)
		code = authserver.TemporarilyUnavailable
	case status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage:
		code = authserver.TemporarilyUnavailable
	case status < http.StatusInternalServerError:
		code = authserver.InvalidRequest
	}
	writeJSON(w, status, map[string]string{"error": code, "error_description": body.Message})
}

// oauthTurn takes a request of a source; a positive wait refuses it.
func (s *Server) oauthTurn(r *http.Request) time.Duration {
	source, limited := throttle.Source(remote(r))
	if !limited {
		return 0
	}
	if wait := s.oauthRate.Take(source); wait > 0 || r.URL.Path != pathRegister {
		return wait
	}
	return s.clientRate.Take(throttle.Network(remote(r)))
}

// form reads a body of application/x-www-form-urlencoded in which no name stands twice.
func form(r *http.Request) (url.Values, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return nil, &authserver.Error{Code: authserver.InvalidRequest,
			Description: "the body is application/x-www-form-urlencoded"}
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	q, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, &authserver.Error{Code: authserver.InvalidRequest, Description: "the form is malformed"}
	}
	for name, values := range q {
		if len(values) > 1 && name != "scopes" {
			return nil, &authserver.Error{Code: authserver.InvalidRequest, Description: "a parameter is given twice"}
		}
	}
	return q, nil
}

// proof reads how a client proves itself (RFC 6749, section 2.3): in one way only.
func proof(r *http.Request, q url.Values) (p authserver.Proof, err error) {
	p = authserver.Proof{ID: q.Get("client_id"), Secret: q.Get("client_secret"),
		AssertionType: q.Get("client_assertion_type"), Assertion: q.Get("client_assertion")}
	id, secret, ok := r.BasicAuth()
	if !ok {
		return p, nil
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	if err1 != nil || err2 != nil || p.Secret != "" || p.Assertion != "" || p.ID != "" && p.ID != id {
		return p, &authserver.Error{Code: authserver.InvalidRequest, Description: "a client proves itself in one way"}
	}
	p.ID, p.Secret, p.Basic = id, secret, true
	return p, nil
}

// clientForm reads the form of a client, with its proof, within what one client may ask for
// from all sources together.
func (s *Server) clientForm(r *http.Request) (q url.Values, p authserver.Proof, err error) {
	if q, err = form(r); err == nil {
		p, err = proof(r, q)
	}
	if err == nil {
		err = s.clientTurn(r, p.ID)
	}
	return q, p, err
}

// clientTurn takes a request that names a client.
func (s *Server) clientTurn(r *http.Request, id string) error {
	if _, limited := throttle.Source(remote(r)); !limited || id == "" {
		return nil
	}
	if wait := s.byClient.Take(id); wait > 0 {
		return tooFast(mail.LimitOAuthClient, wait, "too many requests of this client")
	}
	return nil
}

func (s *Server) oauthToken(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, p, err := s.clientForm(r)
	if err != nil {
		return nil, err
	}
	return s.o.OAuth.Server.Token(r.Context(), authserver.TokenRequest{Proof: p, GrantType: q.Get("grant_type"),
		Code: q.Get("code"), Redirect: q.Get("redirect_uri"), Verifier: q.Get("code_verifier"),
		Refresh: q.Get("refresh_token"), Scope: q.Get("scope"), Resource: q.Get("resource")})
}

func (s *Server) oauthRevoke(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, p, err := s.clientForm(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.o.OAuth.Server.Revoke(r.Context(), p, q.Get("token"))
}

func (s *Server) oauthIntrospect(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, p, err := s.clientForm(r)
	if err != nil {
		return nil, err
	}
	return s.o.OAuth.Server.Introspect(r.Context(), p, q.Get("token"))
}

func (s *Server) oauthRegister(_ http.ResponseWriter, r *http.Request) (any, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	var m authserver.Metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, &authserver.Error{Code: authserver.InvalidMetadata, Description: "the body is a JSON object of RFC 7591"}
	}
	return s.o.OAuth.Server.Register(r.Context(), m, throttle.Network(remote(r)))
}
