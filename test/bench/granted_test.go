package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// BenchmarkGranted measures checks of a token of the embedded authorization server, as each
// request has one: the bare signature, and the whole with the grant that it names.
func BenchmarkGranted(b *testing.B) {
	s := systemtest.New(b, systemtest.Options{Now: time.Now})
	s.AddOperator("example.test", mail.MustAddress("boss@elsewhere.test"))
	s.AddAgent(agent, "", mail.MustAddress(mailbox))
	const origin = "https://mail.example.test"
	server, err := authserver.New(authserver.Options{Origin: origin, Store: s.DB, Registry: s.Registry,
		Log: systemtest.Quiet, Access: 5 * time.Minute, Refresh: time.Hour})
	check(b, err)
	s.Update(server.Prepare)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(b, err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	check(b, err)
	var c authserver.Client
	s.Update(func(tx store.Tx) (err error) {
		c, _, err = server.AddClient(tx, s.Operator, authserver.NewClient{Method: authserver.MethodSigned, Keys: keys,
			Agent: agent, Scopes: []registry.Scope{registry.ScopeRead}})
		return err
	})
	now := time.Now()
	assertion := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": c.ID, "sub": c.ID, "aud": origin,
		"jti": "1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	assertion.Header["kid"] = "k"
	signed, err := assertion.SignedString(key)
	check(b, err)
	got, err := server.Token(b.Context(), authserver.TokenRequest{GrantType: "client_credentials",
		Proof: authserver.Proof{ID: c.ID, AssertionType: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			Assertion: signed}})
	check(b, err)
	b.Run("bare", func(b *testing.B) { bareSignatures(b, jwt.SigningMethodES256, key.Public(), []string{signed}) })
	b.Run("checked", func(b *testing.B) {
		for b.Loop() {
			read, err := server.Read(b.Context(), got.Access)
			check(b, err)
			s.View(func(tx store.Tx) error {
				_, err := s.Registry.ByToken(tx, read.Token)
				return err
			})
		}
		perSecond(b)
	})
}
