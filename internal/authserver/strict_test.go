package authserver_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
)

// signedAs signs a header and claims octet by octet.
func signedAs(t *testing.T, header, claims string, key any) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
	sig, err := jwt.SigningMethodES256.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// An assertion is read in one way or refused, though its signature is good.
func TestAnAssertionThatCouldBeReadInTwoWaysIsRefused(t *testing.T) {
	s := newSigner(t)
	now := s.clock.Now().Unix()
	n := 0
	try := func(header, claims string) error {
		n++
		claims = strings.NewReplacer("ID", s.client.ID, "JTI", fmt.Sprint("j", n), "AUD", origin,
			"NOW", fmt.Sprint(now), "SOON", fmt.Sprint(now+60), "OLD", fmt.Sprint(now-331),
			"LATE", fmt.Sprint(now+31)).Replace(claims)
		q := s.request("x", nil)
		q.Proof.Assertion = signedAs(t, header, claims, s.key)
		_, err := s.server.Token(t.Context(), q)
		return err
	}
	const header = `{"alg":"ES256","kid":"k1"`
	const claims = `"iss":"ID","sub":"ID","aud":"AUD","jti":"JTI"`
	for _, good := range [][2]string{{header + `}`, `{` + claims + `,"exp":SOON,"iat":NOW}`},
		{header + `,"typ":"JWT"}`, `{` + claims + `,"exp":SOON}`}} {
		if err := try(good[0], good[1]); err != nil {
			t.Fatal(good, err)
		}
	}
	for name, bad := range map[string][2]string{
		"crit":             {header + `,"crit":["x"],"x":1}`, `{` + claims + `,"exp":SOON}`},
		"b64":              {header + `,"b64":false,"crit":["b64"]}`, `{` + claims + `,"exp":SOON}`},
		"an empty crit":    {header + `,"crit":[]}`, `{` + claims + `,"exp":SOON}`},
		"a key":            {header + `,"jwk":{}}`, `{` + claims + `,"exp":SOON}`},
		"alg twice":        {header + `,"alg":"ES256"}`, `{` + claims + `,"exp":SOON}`},
		"iss twice":        {header + `}`, `{"iss":"other",` + claims + `,"exp":SOON}`},
		"jti twice":        {header + `}`, `{` + claims + `,"exp":SOON,"jti":"y"}`},
		"exp as text":      {header + `}`, `{` + claims + `,"exp":"SOON"}`},
		"iat as text":      {header + `}`, `{` + claims + `,"exp":SOON,"iat":"NOW"}`},
		"aud as a list":    {header + `}`, `{` + strings.Replace(claims, `"AUD"`, `["AUD"]`, 1) + `,"exp":SOON}`},
		"too old":          {header + `}`, `{` + claims + `,"exp":SOON,"iat":OLD}`},
		"of the future":    {header + `}`, `{` + claims + `,"exp":SOON,"iat":LATE}`},
		"something behind": {header + `}`, `{` + claims + `,"exp":SOON}{}`},
	} {
		err := try(bad[0], bad[1])
		if e := authserver.AsError(err); e == nil || e.Code != authserver.InvalidClient {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same of our own access tokens, though nobody but us signs them.
func TestAnAccessTokenThatCouldBeReadInTwoWaysIsRefused(t *testing.T) {
	h := newHouse(t, nil)
	parts := strings.Split(h.tokens(anna, "read").Access, ".")
	part := func(i int) string {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(b), "}")
	}
	header, claims := part(0), part(1)
	if _, err := h.who(signedAs(t, header+"}", claims+"}", h.signingKey())); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][2]string{
		{header + `,"crit":["exp"]}`, claims + "}"}, {header + `,"typ":"at+jwt"}`, claims + "}"},
		{header + "}", claims + `,"grant":"x"}`}, {header + "}", claims + `,"nbf":"1"}`}} {
		if _, err := h.who(signedAs(t, bad[0], bad[1], h.signingKey())); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
