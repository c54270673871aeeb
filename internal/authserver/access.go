package authserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// claims of an access token (RFC 9068). Who granted is not in it: clients can read it.
type claims struct {
	Client string `json:"client_id"`
	Scope  string `json:"scope"`
	Grant  string `json:"grant"`
	jwt.RegisteredClaims
}

// maxAccess bounds an access token, in octets.
const maxAccess = 2048

// access makes an access token of a grant.
func (s *Server) access(tx store.Tx, g registry.Grant, scopes []registry.Scope) (string, error) {
	ks, err := s.keys(tx)
	if err != nil {
		return "", err
	}
	private, err := ks.Signing[0].key()
	if err != nil {
		return "", err
	}
	now, id := tx.Now(), random()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims{Client: g.Client, Scope: joined(scopes), Grant: g.ID,
		RegisteredClaims: jwt.RegisteredClaims{Issuer: s.Issuer(), Subject: string(g.Kind) + ":" + g.Owner,
			Audience: jwt.ClaimStrings{g.Resource}, IssuedAt: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(s.o.Access)), ID: base64.RawURLEncoding.EncodeToString(id[:16])}})
	t.Header["typ"], t.Header["kid"] = "at+jwt", ks.Signing[0].ID
	return t.SignedString(private)
}

// Access is what an access token of ours says.
type Access struct{ Token registry.Token }

// Read verifies an access token of ours. An error is registry.ErrCredentials, or means that
// it cannot be told now. What the token is worth is for the registry to say, by its grant.
func (s *Server) Read(ctx context.Context, raw string) (t Access, err error) {
	if len(raw) > maxAccess {
		return t, registry.ErrCredentials
	}
	if _, err := strict(raw); err != nil {
		return t, registry.ErrCredentials.Because(err)
	}
	var c claims
	var now time.Time
	public := map[string]*ecdsa.PublicKey{}
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		for _, k := range ks.Signing {
			private, err := k.key()
			if err != nil {
				return err
			}
			public[k.ID] = &private.PublicKey
		}
		return nil
	})
	if err != nil {
		return t, mail.ErrUnavailable.Errorf("try again later").Because(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(s.Issuer()), jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }))
	_, err = parser.ParseWithClaims(raw, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if t.Header["typ"] != "at+jwt" || public[kid] == nil {
			return nil, errors.New("not a token of ours")
		}
		return public[kid], nil
	})
	if err != nil || len(c.Audience) != 1 {
		return t, registry.ErrCredentials.Because(err)
	}
	scopes, e := readScopes(c.Scope)
	if e != nil {
		return t, registry.ErrCredentials
	}
	sum := sha256.Sum256([]byte(raw))
	return Access{registry.Token{Issuer: registry.LocalIssuer, Shape: registry.ShapeGranted, Object: c.Grant,
		Client: c.Client,
		Scopes: scopes, Expires: c.ExpiresAt.Time, ID: base64.RawURLEncoding.EncodeToString(sum[:16]),
		Audience: c.Audience[0]}}, nil
}

// Issued reports whether a token says that it is of this server, so that others need not
// look at it. Nothing of it is believed yet.
func (s *Server) Issued(raw string) bool {
	var c jwt.RegisteredClaims
	if len(raw) > maxAccess {
		return false
	}
	_, _, err := jwt.NewParser().ParseUnverified(raw, &c)
	return err == nil && c.Issuer == s.Issuer()
}
