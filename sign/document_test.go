package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestTheDocumentIsTheCurrentKeyAndASetOfAll(t *testing.T) {
	h := newFixture(t)
	b, err := h.keys.Document(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kty", "crv", "x", "y", "use", "alg", "kid", "keys"} {
		if doc[name] == nil {
			t.Errorf("no %s in %s", name, b)
		}
	}
	if len(doc) != 8 {
		t.Errorf("more than a JWK and its keys: %s", b)
	}
	var key jose.JSONWebKey // an independent reading of the same key
	if err := json.Unmarshal(b, &key); err != nil || !key.IsPublic() || !key.Valid() {
		t.Fatalf("%+v %v", key, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(b, &set); err != nil || len(set.Key(key.KeyID)) != 1 {
		t.Errorf("%+v %v", set, err)
	}
	thumb, err := key.Thumbprint(5) // crypto.SHA256
	if err != nil || !strings.HasPrefix(encode(thumb), key.KeyID) || len(key.KeyID) != kidLength {
		t.Errorf("kid %s, thumbprint %s, %v", key.KeyID, encode(thumb), err)
	}
}

func TestTheRecordHasTheSameKey(t *testing.T) {
	h := newFixture(t)
	name, txt, err := h.keys.DNS(testDomain)
	if err != nil || name != "_multimail-identity.example.com" {
		t.Fatalf("%s %v", name, err)
	}
	d, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := strings.CutPrefix(txt, "v=MMID1; kid="+d.current().Name+"; alg=ES256; p=")
	if !ok || len(txt) > 255 {
		t.Fatalf("record of %d octets: %s", len(txt), txt)
	}
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil || !d.current().public.Equal(public.(*ecdsa.PublicKey)) {
		t.Errorf("another key: %v", err)
	}
	if upper, _, err := h.keys.DNS("EXAMPLE.com"); err != nil || upper != name {
		t.Errorf("%s %v", upper, err)
	}
}

func TestADocumentOfAnotherOperatorIsReadStrictly(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	good, err := h.keys.Document(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := json.Unmarshal(good, &top); err != nil {
		t.Fatal(err)
	}
	change := func(name string, value any) []byte {
		c := map[string]any{}
		for k, v := range top {
			c[k] = v
		}
		delete(c, "keys")
		c[name] = value
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	set, err := json.Marshal(map[string]any{"keys": top["keys"]})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		doc  []byte
		ok   bool
	}{
		{"as it is", good, true},
		{"the key alone", change("ext", true), true},
		{"the set alone", set, true},
		{"keys of other kinds beside it", bytes.Replace(good, []byte(`"keys":[`),
			[]byte(`"keys":[{"kty":"RSA","kid":"r","n":"AQ","e":"AQAB"},`), 1), true},
		{"empty", nil, false},
		{"a web page", []byte("<html>"), false},
		{"an array", []byte("[]"), false},
		{"too large", append(bytes.Clone(good), make([]byte, maxDocument)...), false},
		{"another kid", change("kid", "AAAAAAAAAAAAAAAA"), false},
		{"a key of another kind under this kid", change("kty", "RSA"), false},
		{"another curve", change("crv", "secp256k1"), false},
		{"for another algorithm", change("alg", "ES384"), false},
		{"for encryption", change("use", "enc"), false},
		{"a point off the curve", change("x", top["y"]), false},
		{"a short coordinate", change("x", "AA"), false},
		{"a coordinate that is no base64url", change("y", "+++"), false},
		{"a coordinate with a line break", change("x", top["x"].(string)+"\n"), false},
		{"infinity", change("x", ""), false},
	} {
		v := Verify([]byte(eml), Lookup{Document: func(string, string) ([]byte, error) { return tt.doc, nil }})
		if (v.Status == Valid) != tt.ok || !tt.ok && failed(v) != "key" {
			t.Errorf("%s: %+v", tt.name, v)
		}
	}
}
