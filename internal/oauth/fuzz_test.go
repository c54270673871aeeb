package oauth

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// FuzzClaims signs whatever header and claims are found, and holds the verdict
// against golang-jwt with all its checks: what we accept, it accepts.
func FuzzClaims(f *testing.F) {
	is := mailtest.NewIssuer(f)
	conf := oneIssuer + "jwks_file = '" + keyFile(f, is) + "'\n"
	v, err := New(options(f, conf, func() time.Time { return now }))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(v.Close)
	good, err := json.Marshal(generic())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(goodHeader, string(good))
	f.Add(goodHeader, `{"iss":"https://id.example","aud":"multimail","client_id":"b","scope":"mail.send","iat":1,"exp":2}`)
	for _, c := range badForms {
		f.Add(c.name, c.hint)
	}
	strict := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("https://id.example"),
		jwt.WithAudience("multimail"), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Minute),
		jwt.WithTimeFunc(func() time.Time { return now }))
	accepted := 0
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := is.SignRaw(t, header, payload)
		got, err := v.Verify(t.Context(), token)
		if err != nil {
			var public *mail.Error
			if !errors.As(err, &public) {
				t.Fatalf("no public error: %v", err)
			}
			return
		}
		accepted++
		if got.Client == "" || got.Object == "" || len(got.Scopes) == 0 || !got.Expires.After(now) {
			t.Errorf("accepted %+v", got)
		}
		_, err = strict.Parse(token, func(*jwt.Token) (any, error) { return is.Key("rsa").Public(), nil })
		if err != nil {
			t.Errorf("accepted, and golang-jwt says %v: %s %s", err, header, payload)
		}
	})
}

// FuzzToken looks for a token that makes the checks fail in a way of its own.
func FuzzToken(f *testing.F) {
	is := mailtest.NewIssuer(f)
	conf := oneIssuer + "jwks_file = '" + keyFile(f, is) + "'\n"
	v, err := New(options(f, conf, func() time.Time { return now }))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(v.Close)
	f.Add(is.Token(f, "rsa", generic()))
	f.Add("a.b.c")
	f.Add("e30.e30.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := v.Verify(t.Context(), token)
		e := v.Explain(t.Context(), token)
		if (err == nil) != (e.Failed == "") {
			t.Errorf("the verifier says %v, the explanation %q", err, e.Failed)
		}
	})
}
