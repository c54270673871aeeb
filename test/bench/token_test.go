package bench

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/oauth"
	"github.com/multimail/multimail/internal/systemtest"
)

// BenchmarkToken measures verifications of tokens of Entra's form: the signature alone,
// as the library checks it (bare), a token that is seen for the first time (new), and
// one that was accepted before (seen).
func BenchmarkToken(b *testing.B) {
	is := mailtest.NewIssuer(b)
	is.AddKey(b, "ec")
	path := filepath.Join(b.TempDir(), "keys.json")
	if err := os.WriteFile(path, is.JWKS(), 0o600); err != nil {
		b.Fatal(err)
	}
	const tenant = "aaaaaaaa-1111-2222-3333-444444444444"
	facts := mailtest.Entra{Tenant: tenant, Audience: "api://multimail", Agent: tenant, User: tenant, Blueprint: tenant,
		Scopes: []string{"Mail.Send"}, Now: time.Now()}
	open := func() *oauth.Verifier {
		v, err := oauth.New(oauth.Options{Now: time.Now, Trusted: func() bool { return true }, Log: systemtest.Quiet,
			Count: func(string) {}, Issuers: []config.Issuer{{Name: "entra", Preset: config.PresetEntra, JWKSFile: path,
				Audiences: []string{"api://multimail"}, Tenants: []string{tenant}, Algorithms: []string{"RS256", "ES256"},
				Skew: config.Duration(time.Minute), Scopes: config.IssuerScopes{Send: []string{"Mail.Send"}}}}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(v.Close)
		return v
	}
	for _, kind := range []struct {
		kid    string
		method jwt.SigningMethod
	}{{"rsa", jwt.SigningMethodRS256}, {"ec", jwt.SigningMethodES256}} {
		var tokens []string
		for range 512 {
			claims := facts.Autonomous()
			claims["uti"] = rand.Text()
			tokens = append(tokens, is.Token(b, kind.kid, claims))
		}
		name := kind.method.Alg()
		b.Run(name+"/bare", func(b *testing.B) { bareSignatures(b, kind.method, is.Key(kind.kid).Public(), tokens) })
		b.Run(name+"/new", func(b *testing.B) {
			var v *oauth.Verifier
			for i := 0; b.Loop(); i++ {
				if i%len(tokens) == 0 { // one that remembers no token
					b.StopTimer()
					v = open()
					b.StartTimer()
				}
				verify(b, v, tokens[i%len(tokens)])
			}
			perSecond(b)
		})
		b.Run(name+"/seen", func(b *testing.B) {
			v := open()
			for i := 0; b.Loop(); i++ {
				verify(b, v, tokens[i%len(tokens)])
			}
			perSecond(b)
		})
	}
}

func bareSignatures(b *testing.B, method jwt.SigningMethod, key any, tokens []string) {
	type signed struct {
		text      string
		signature []byte
	}
	var all []signed
	for _, t := range tokens {
		i := strings.LastIndexByte(t, '.')
		sig, err := base64.RawURLEncoding.DecodeString(t[i+1:])
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, signed{t[:i], sig})
	}
	for i := 0; b.Loop(); i++ {
		if err := method.Verify(all[i%len(all)].text, all[i%len(all)].signature, key); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

func verify(b *testing.B, v *oauth.Verifier, token string) {
	if _, err := v.Verify(b.Context(), token); err != nil {
		b.Fatal(err)
	}
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s") }
