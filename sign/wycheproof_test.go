package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// readWycheproof reads a file of vectors whose origin is told beside it.
func readWycheproof(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/wycheproof/" + name)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSignaturesAreJudgedAsWycheproofSays(t *testing.T) {
	var groups []struct {
		Key   string
		Tests []struct {
			ID                        int
			Comment, Msg, Sig, Result string
		}
	}
	readWycheproof(t, "ecdsa_p256_sha256_p1363.json", &groups)
	results := map[string]int{}
	for _, g := range groups {
		point, err := hex.DecodeString(g.Key)
		if err != nil {
			t.Fatal(err)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range g.Tests {
			msg, err1 := hex.DecodeString(tt.Msg)
			sig, err2 := hex.DecodeString(tt.Sig)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if err := (&key{public: public}).verify(string(msg), sig); (err == nil) != (tt.Result == "valid") {
				t.Errorf("%d, %s: %v, want %s", tt.ID, tt.Comment, err, tt.Result)
			}
			results[tt.Result]++
		}
	}
	if results["valid"] != 173 || results["invalid"] != 89 {
		t.Errorf("results %v", results)
	}
}

// acceptsJWS reads any compact JWS as the header's token is read, and checks it
// with a key of a document.
func acceptsJWS(value string, j jwk) bool {
	j.Kid = j.name() // theirs are other names
	public, err := j.publicKey()
	if err != nil {
		return false
	}
	part, signature, err := splitToken(value)
	if err != nil {
		return false
	}
	head, err := decode(part[0])
	var h map[string]any
	if err != nil || checkObject(head) != nil || json.Unmarshal(head, &h) != nil {
		return false
	}
	if h["alg"] != algorithm || h["jwk"] != nil {
		return false
	}
	return (&key{public: public}).verify(part[0]+"."+part[1], signature) == nil
}

func TestCompactTokensAreJudgedAsWycheproofSays(t *testing.T) {
	var groups []struct {
		JWK   jwk
		Tests []struct {
			ID                   int
			Comment, JWS, Result string
		}
	}
	readWycheproof(t, "jws_es256.json", &groups)
	results := map[string]int{}
	for _, g := range groups {
		for _, tt := range g.Tests {
			if got := acceptsJWS(tt.JWS, g.JWK); got != (tt.Result == "valid") {
				t.Errorf("%d, %s: accepted is %t, want %s", tt.ID, tt.Comment, got, tt.Result)
			}
			if _, err := parseToken(tt.JWS); err == nil {
				t.Errorf("%d, %s: taken for a token of this service", tt.ID, tt.Comment)
			}
			results[tt.Result]++
		}
	}
	if results["valid"] != 2 || results["invalid"] != 39 {
		t.Errorf("results %v", results)
	}
}
