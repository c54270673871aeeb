package authserver_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// signingKey is the key that the server signs with.
func (h *house) signingKey() (private crypto.Signer) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		var keys struct{ Signing []struct{ Private []byte } }
		b, err := authserver.Space.Get(tx, "oauth/keys")
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &keys); err != nil {
			return err
		}
		k, err := x509.ParsePKCS8PrivateKey(keys.Signing[0].Private)
		private, _ = k.(crypto.Signer)
		return err
	})
	return private
}

// resigned is a token with another content, signed by key.
func resigned(t *testing.T, token string, key any, change func(header, claims map[string]any)) string {
	t.Helper()
	c := jwt.MapClaims{}
	parsed, _, err := jwt.NewParser().ParseUnverified(token, c)
	if err != nil {
		t.Fatal(err)
	}
	change(parsed.Header, c)
	method := jwt.GetSigningMethod(parsed.Header["alg"].(string))
	made := jwt.NewWithClaims(method, c)
	made.Header = parsed.Header
	s, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestForgedAccessTokensAreRefused(t *testing.T) {
	h := newHouse(t, nil)
	got := h.tokens(anna, "read").Access
	parts := strings.Split(got, ".")
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	none := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": origin})
	unsigned, _ := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	public, _ := x509.MarshalPKIXPublicKey(h.signingKey().Public())
	for name, bad := range map[string]string{
		"another key":    resigned(t, got, key, func(_, _ map[string]any) {}),
		"no signature":   parts[0] + "." + parts[1] + ".",
		"cut short":      got[:len(got)-1],
		"none":           unsigned,
		"the public key": resigned(t, got, public, func(h, _ map[string]any) { h["alg"] = "HS256" }),
		"another's word": "x.y.z",
		"long":           got + strings.Repeat("x", 4096),
	} {
		if _, err := h.who(bad); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What our own key has signed counts as an access token only when it is one in everything.
func TestWhatIsSignedByOurKeyIsNotThereforeAnAccessToken(t *testing.T) {
	h := newHouse(t, nil)
	got, key := h.tokens(anna, "read").Access, h.signingKey()
	now := h.clock.Now()
	unchanged := resigned(t, got, key, func(_, _ map[string]any) {})
	if p, err := h.who(unchanged); err != nil || p.ID() != "agent:bot" {
		t.Fatalf("the same content signed by the same key: %+v %v", p, err)
	}
	header := func(name string, value any) func(h, c map[string]any) {
		return func(h, _ map[string]any) { h[name] = value }
	}
	claim := func(name string, value any) func(h, c map[string]any) {
		return func(_, c map[string]any) { c[name] = value }
	}
	without := func(name string) func(h, c map[string]any) {
		return func(h, c map[string]any) { delete(h, name); delete(c, name) }
	}
	for name, change := range map[string]func(h, c map[string]any){
		"typ JWT": header("typ", "JWT"), "no typ": without("typ"), "typ of a sign-in": header("typ", "id_token+jwt"),
		"crit": header("crit", []string{"exp"}), "another kid": header("kid", "x"), "no kid": without("kid"),
		"kid no text": header("kid", 1), "another issuer": claim("iss", "https://other.test"),
		"issuer by a slash": claim("iss", origin+"/"), "no issuer": without("iss"),
		"another audience": claim("aud", "https://other.test/mcp"), "the issuer as audience": claim("aud", origin),
		"another resource of ours": claim("aud", origin+"/v1"),
		"two audiences":            claim("aud", []string{origin + "/mcp", origin + "/v1"}), "no audience": without("aud"),
		"expired": claim("exp", now.Add(-time.Second).Unix()), "no end": without("exp"),
		"not yet": claim("nbf", now.Add(time.Hour).Unix()), "of the future": claim("iat", now.Add(time.Hour).Unix()),
		"another client": claim("client_id", "mmc_other"), "no client": without("client_id"),
		"another grant": claim("grant", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), "no grant": without("grant"),
		"unknown scope": claim("scope", "read everything"), "scope no text": claim("scope", []string{"read"}),
	} {
		if _, err := h.who(resigned(t, got, key, change)); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wide, err := h.who(resigned(t, got, key, claim("scope", "read send admin oversight_read")))
	if err != nil || wide.Has(registry.ScopeSend) || wide.Has(registry.ScopeAdmin) {
		t.Errorf("a token has more than its grant: %+v %v", wide, err)
	}
}
