package mailtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Issuer is an issuer of tokens. It is a handler that serves its keys at every
// path, and its OpenID configuration at paths that end in one; and a
// http.RoundTripper that answers itself without a network.
type Issuer struct {
	mu      sync.Mutex
	keys    map[string]crypto.Signer // by kid
	down    bool
	answer  func(http.ResponseWriter, *http.Request) // in place of its own, nil for none
	fetches int
}

// NewIssuer returns an issuer with an RSA key, the kid of which is "rsa".
func NewIssuer(tb testing.TB) *Issuer {
	tb.Helper()
	key, err := rsaKey()
	if err != nil {
		tb.Fatal(err)
	}
	return &Issuer{keys: map[string]crypto.Signer{"rsa": key}}
}

// rsaKey is made once: it takes long.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// AddKey adds a P-256 key.
func (is *Issuer) AddKey(tb testing.TB, kid string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	is.Put(kid, key)
}

// Put sets the key of a kid; nil takes it away.
func (is *Issuer) Put(kid string, key crypto.Signer) {
	is.mu.Lock()
	defer is.mu.Unlock()
	if key == nil {
		delete(is.keys, kid)
		return
	}
	is.keys[kid] = key
}

// Key returns the key of a kid.
func (is *Issuer) Key(kid string) crypto.Signer {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.keys[kid]
}

// Fail makes it refuse all requests, or answer them again.
func (is *Issuer) Fail(down bool) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.down = down
}

// Answer sets what answers requests in its place; nil is the issuer itself.
func (is *Issuer) Answer(fn func(http.ResponseWriter, *http.Request)) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.answer = fn
}

// Fetches returns how many requests it was sent.
func (is *Issuer) Fetches() int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.fetches
}

// JWKS returns its keys as a JWK Set.
func (is *Issuer) JWKS() []byte {
	is.mu.Lock()
	defer is.mu.Unlock()
	var set jose.JSONWebKeySet
	for kid, key := range is.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
	}
	b, err := json.Marshal(set)
	if err != nil {
		panic(err) // its keys are made here
	}
	return b
}

// ServeHTTP serves its keys.
func (is *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	is.mu.Lock()
	is.fetches++
	down, answer := is.down, is.answer
	is.mu.Unlock()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case answer != nil:
		answer(w, r)
	default:
		w.Write(is.JWKS()) // the recorder takes everything
	}
}

// RoundTrip answers a request without a network.
func (is *Issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, errors.Join(errors.New("not sent"), err)
	}
	w := httptest.NewRecorder()
	is.ServeHTTP(w, r)
	return w.Result(), nil
}

// Token returns a token of these claims, signed with the key of a kid.
func (is *Issuer) Token(tb testing.TB, kid string, claims map[string]any) string {
	tb.Helper()
	return is.Sign(tb, kid, map[string]any{"typ": "JWT"}, claims)
}

// Sign is Token with members of the header beside alg and kid, or in their place;
// nil takes one away.
func (is *Issuer) Sign(tb testing.TB, kid string, header, claims map[string]any) string {
	tb.Helper()
	key := is.Key(kid)
	method := jwt.SigningMethod(jwt.SigningMethodRS256)
	if _, isEC := key.(*ecdsa.PrivateKey); isEC {
		method = jwt.SigningMethodES256
	}
	t := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	t.Header["kid"] = kid
	for name, value := range header {
		if t.Header[name] = value; value == nil {
			delete(t.Header, name)
		}
	}
	s, err := t.SignedString(key)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// SignRaw signs a header and a payload as they are, with RS256 and the key "rsa".
func (is *Issuer) SignRaw(tb testing.TB, header, payload string) string {
	tb.Helper()
	enc := base64.RawURLEncoding
	signing := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload))
	sig, err := jwt.SigningMethodRS256.Sign(signing, is.Key("rsa"))
	if err != nil {
		tb.Fatal(err)
	}
	return signing + "." + enc.EncodeToString(sig)
}

// Entra are the facts of a token of Microsoft Entra; the methods give its claims.
type Entra struct {
	Tenant, Audience string
	Agent            string   // application id of the agent identity, and its object id
	User             string   // object id of the person or the user account
	Scopes           []string // roles of an autonomous agent, scp of the others
	Blueprint        string
	Now              time.Time
}

func (e Entra) claims() map[string]any {
	return map[string]any{
		"iss": "https://login.microsoftonline.com/" + e.Tenant + "/v2.0", "ver": "2.0", "tid": e.Tenant,
		"aud": e.Audience, "azp": e.Agent, "oid": e.User, "sub": "pairwise", "xms_par_app_azp": e.Blueprint,
		"iat": e.Now.Unix(), "nbf": e.Now.Unix(), "exp": e.Now.Add(time.Hour).Unix(), "uti": "u", "rh": "r",
	}
}

// Autonomous returns the claims of an agent that acts by itself.
func (e Entra) Autonomous() map[string]any {
	c := e.claims()
	maps.Copy(c, map[string]any{"idtyp": "app", "oid": e.Agent, "roles": e.Scopes,
		"xms_act_fct": "3 11 9", "xms_sub_fct": "11 3"})
	return c
}

// OnBehalf returns the claims of an agent that acts for a person.
func (e Entra) OnBehalf() map[string]any {
	c := e.claims()
	maps.Copy(c, map[string]any{"idtyp": "user", "scp": strings.Join(e.Scopes, " "),
		"xms_act_fct": "11", "xms_sub_fct": "3"})
	return c
}

// Account returns the claims of an agent that acts as its own user account.
func (e Entra) Account() map[string]any {
	c := e.OnBehalf()
	c["xms_sub_fct"] = "13 3"
	return c
}

// Person returns the claims of a person who uses an application.
func (e Entra) Person() map[string]any {
	c := e.OnBehalf()
	for _, name := range []string{"xms_act_fct", "xms_sub_fct", "xms_par_app_azp"} {
		delete(c, name)
	}
	return c
}
