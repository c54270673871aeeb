package oauth

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"

	"github.com/multimail/multimail/internal/config"
)

// vectors are those of C2SP/wycheproof for JWS with public keys (Apache-2.0).
type vectors struct {
	TestGroups []struct {
		Comment string
		Public  json.RawMessage
		Tests   []struct {
			TcID         int
			Comment, JWS string
			Result       string
		}
	}
}

// stricter are valid vectors that are refused here: by what they say, why.
var stricter = map[string]string{
	"emptyPayload": "a token has claims",
	"Figure20":     "the alg of its key is PS256, that of the token PS384",
	"Figure27":     "the alg of its key is ES521, which is no algorithm",
}

// Project Wycheproof's vectors, up to the signature: their payloads are no claims.
func TestTheVectorsOfWycheproof(t *testing.T) {
	b, err := os.ReadFile("testdata/wycheproof_jws.json")
	if err != nil {
		t.Fatal(err)
	}
	var all vectors
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	judged := map[string]int{}
	for _, g := range all.TestGroups {
		accepts := verifierOf(t, g.Public)
		for _, c := range g.Tests {
			want := c.Result == "valid" && stricter[c.Comment] == ""
			if got := accepts(c.JWS); got != want {
				t.Errorf("%s %d %s: accepted %v, want %v", g.Comment, c.TcID, c.Comment, got, want)
			}
			judged[c.Result]++
		}
	}
	if judged["valid"] != 36 || judged["invalid"] != 325 {
		t.Errorf("judged %v", judged)
	}
}

// verifierOf returns what says whether a JWS has a good signature of a key.
func verifierOf(t *testing.T, public json.RawMessage) func(string) bool {
	t.Helper()
	set, err := json.Marshal(map[string]any{"keys": []json.RawMessage{public}})
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/keys.json"
	if err := os.WriteFile(path, set, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := openKeys(t.Context(), source{name: "vectors", file: path, now: time.Now})
	if err != nil { // a key that is not for signatures
		return func(string) bool { return false }
	}
	is := &issuer{conf: config.Issuer{Algorithms: config.Algorithms}}
	return func(jws string) bool {
		a := &attempt{raw: jws, origin: &origin{issuer: is, keys: k}}
		for _, c := range checks {
			if c.name == "claims" || c.name == "issuer" {
				continue
			}
			if err := c.run(t.Context(), nil, a); err != nil {
				return false
			}
			if c.name == "signature" {
				return true
			}
		}
		return false
	}
}

// A key for encryption is no key for signatures.
func TestKeysForSomethingElseAreNotUsed(t *testing.T) {
	const point = `"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",` +
		`"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	for extra, want := range map[string]bool{
		"": true, `,"use":"sig"`: true, `,"key_ops":["verify"]`: true, `,"use":"enc"`: false, `,"key_ops":["sign"]`: false,
		`,"key_ops":["deriveKey"]`: false,
	} {
		var m jwkset.JWKMarshal
		if err := json.Unmarshal([]byte("{"+point+extra+"}"), &m); err != nil {
			t.Fatal(err)
		}
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			t.Errorf("%s: %v", extra, err)
		} else if got := forSignatures(jwk); got != want {
			t.Errorf("%s: %v", extra, got)
		}
	}
}
