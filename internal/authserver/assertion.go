package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/store"
)

// assertionType is that of private_key_jwt (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	maxAssertion = 4096            // octets
	maxLife      = 5 * time.Minute // from iat to now, and from now to exp
	skew         = 30 * time.Second
)

// signing are the algorithms that a client may sign with.
var signing = []string{"ES256", "ES384", "EdDSA", "RS256", "PS256"}

// authenticate finds the client of a request and checks its proof, by the one method that
// the client has. A client without a secret has its code verifier, or refresh token, alone.
func (s *Server) authenticate(ctx context.Context, p *Proof) (Client, error) {
	bad := refuse(InvalidClient, "the client could not be authenticated")
	if p.Assertion != "" && p.ID == "" {
		p.ID = subject(p.Assertion)
	}
	if p.ID == "" {
		return Client{}, bad
	}
	c, err := s.find(ctx, p.ID)
	if err != nil {
		return Client{}, err
	}
	var ok bool
	switch c.Method {
	case MethodNone:
		ok = p.Secret == "" && p.Assertion == ""
	case MethodBasic, MethodPost:
		ok = p.Assertion == "" && p.Basic == (c.Method == MethodBasic) && hashOf(p.Secret).is(c.Secret)
	case MethodSigned:
		ok = p.Secret == "" && p.AssertionType == assertionType && s.asserted(ctx, c, p)
	}
	if !ok {
		return Client{}, bad
	}
	return c, nil
}

// subject reads who an assertion says it is of. Nothing of it is believed yet.
func subject(assertion string) string {
	if len(assertion) > maxAssertion {
		return ""
	}
	c, err := strict(assertion)
	if err != nil || c.Subject == nil {
		return ""
	}
	return *c.Subject
}

// asserted checks an assertion: signed by a key of the client, for this issuer alone, of
// minutes, with an id by which it is used once.
func (s *Server) asserted(ctx context.Context, c Client, p *Proof) bool {
	if len(p.Assertion) > maxAssertion {
		return false
	}
	if c, err := strict(p.Assertion); err != nil || !c.isFor(s.Issuer()) {
		return false
	}
	var now time.Time
	if s.o.Store.View(ctx, func(tx store.Tx) error { now = tx.Now(); return nil }) != nil {
		return false
	}
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods(signing), jwt.WithExpirationRequired(), jwt.WithLeeway(skew),
		jwt.WithIssuer(c.ID), jwt.WithSubject(c.ID), jwt.WithStrictDecoding(), jwt.WithIssuedAt(),
		jwt.WithTimeFunc(func() time.Time { return now }))
	_, err := parser.ParseWithClaims(p.Assertion, &claims, func(t *jwt.Token) (any, error) {
		return s.keyOf(ctx, c, t)
	})
	if err != nil || claims.ID == "" || claims.ExpiresAt.Sub(now) > maxLife+skew ||
		claims.IssuedAt != nil && now.Sub(claims.IssuedAt.Time) > maxLife+skew {
		return false
	}
	p.assertedUntil, p.assertedUnique = claims.ExpiresAt.Add(skew), c.ID+" "+claims.ID
	return true
}

// spend uses an assertion up.
func (s *Server) spend(tx store.Tx, c Client, p Proof) error {
	if c.Method != MethodSigned {
		return nil
	}
	return s.once(tx, "assertion "+p.assertedUnique, p.assertedUntil,
		refuse(InvalidClient, "the assertion was used already; its jti must be new"))
}

// keyOf is the key of a token among the public keys of a client.
func (s *Server) keyOf(ctx context.Context, c Client, t *jwt.Token) (any, error) {
	if c.KeysURI == "" {
		set, err := readKeys(c.Keys)
		if err != nil {
			return nil, err
		}
		return keyFor(set, t)
	}
	var last error
	for _, age := range []time.Duration{documentAge, keysAge} { // it may sign with a new key
		body, e := s.get(ctx, c.KeysURI, maxKeys, age)
		if e != nil {
			return nil, e
		}
		set, err := readKeys(body)
		if err != nil {
			s.o.Log.Warn("client keys", "client", c.ID, "err", err)
			return nil, err
		}
		key, err := keyFor(set, t)
		if last = err; err == nil {
			return key, nil
		}
	}
	return nil, last
}

// keyFor is the key of a token: by its kid, or the only one.
func keyFor(set jose.JSONWebKeySet, t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	keys := set.Keys
	if kid != "" {
		keys = set.Key(kid)
	}
	if len(keys) != 1 {
		return nil, errors.New("no such key")
	}
	if alg := keys[0].Algorithm; alg != "" && alg != t.Method.Alg() {
		return nil, errors.New("the key is for another algorithm")
	}
	return keys[0].Key, nil
}

// readKeys reads a JWK set of public keys.
func readKeys(raw []byte) (set jose.JSONWebKeySet, err error) {
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) == 0 || len(set.Keys) > maxClientKeys {
		return set, errors.New("jwks is a JWK set of 1 to 20 public keys")
	}
	for _, k := range set.Keys {
		if !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
			return set, errors.New("jwks holds a key that is not a public signing key")
		}
	}
	return set, nil
}
