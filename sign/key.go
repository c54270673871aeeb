package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/keyset"
)

// kidLength is how many characters of the thumbprint name a key: 96 bits.
const kidLength = 16

// key is one identity key of a domain. Its name is the kid.
type key struct {
	public  *ecdsa.PublicKey
	private *ecdsa.PrivateKey // nil: it is in the vault, or was destroyed
	label   string            // of the private half in the vault; "" elsewhere
	keyset.Key
}

// newKey makes a key that is next, in the vault if there is one.
func newKey(vault keyset.Vault, domain string, now time.Time) (*key, error) {
	if vault == nil {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		return keyFrom(private, now)
	}
	suffix := make([]byte, 6)
	if _, err := rand.Read(suffix); err != nil {
		return nil, err
	}
	label := "multimail identity " + domain + " " + hex.EncodeToString(suffix)
	signer, err := vault.Make(algorithm, label)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	public, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("make key: the vault made one of another kind")
	}
	return named(&key{public: public, label: label}, now)
}

// keyFrom returns a private key as one that is next.
func keyFrom(private *ecdsa.PrivateKey, now time.Time) (*key, error) {
	return named(&key{public: &private.PublicKey, private: private}, now)
}

// named gives a key its times and the name that follows from its public half.
// It is published by the daemon from now on.
func named(k *key, now time.Time) (*key, error) {
	at := now.UTC().Truncate(time.Second)
	k.Created, k.Published, k.Alg = at, at, algorithm
	j, err := k.jwk()
	if err != nil {
		return nil, err
	}
	k.Name = j.name()
	return k, nil
}

// jwk is the public half of a key (RFC 7517, RFC 7518 section 6.2).
type jwk struct {
	Kty string   `json:"kty"`
	Crv string   `json:"crv"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	Use string   `json:"use,omitempty"`
	Alg string   `json:"alg,omitempty"`
	Kid string   `json:"kid"`
	Ops []string `json:"key_ops,omitempty"` // never in a document of ours
}

func (k *key) jwk() (jwk, error) {
	point, err := k.public.Bytes() // 0x04, X, Y
	if err != nil || len(point) != 65 {
		return jwk{}, fmt.Errorf("write key: not a point on P-256: %w", err)
	}
	return jwk{
		Kty: "EC", Crv: "P-256", X: encode(point[1:33]), Y: encode(point[33:]),
		Use: "sig", Alg: algorithm, Kid: k.Name,
	}, nil
}

// name returns the kid this key must have: the beginning of its thumbprint
// (RFC 7638, section 3).
func (j jwk) name() string {
	sum := sha256.Sum256([]byte(`{"crv":"` + j.Crv + `","kty":"` + j.Kty +
		`","x":"` + j.X + `","y":"` + j.Y + `"}`))
	return encode(sum[:])[:kidLength]
}

// publicKey checks the JWK: the right curve, a point on it, and its own name.
func (j jwk) publicKey() (*ecdsa.PublicKey, error) {
	if j.Kty != "EC" || j.Crv != "P-256" ||
		j.Alg != "" && j.Alg != algorithm || j.Use != "" && j.Use != "sig" {
		return nil, errors.New("not a P-256 key for ES256 signatures")
	}
	if j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return nil, errors.New("not a key to verify with")
	}
	x, err := decode(j.X)
	if err != nil {
		return nil, err
	}
	y, err := decode(j.Y)
	if err != nil {
		return nil, err
	}
	if len(x) != 32 || len(y) != 32 {
		return nil, errors.New("a coordinate has not 32 octets")
	}
	point := append(append([]byte{4}, x...), y...)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, err
	}
	if j.name() != j.Kid {
		return nil, errors.New("the kid is not the beginning of the key's thumbprint")
	}
	return public, nil
}

// verify checks an ES256 signature of 64 octets: R and then S.
func (k *key) verify(signing string, signature []byte) error {
	if len(signature) != signatureLength {
		return errors.New("signature has not 64 octets")
	}
	return jwt.SigningMethodES256.Verify(signing, signature, k.public)
}

// decode reads base64url without padding, in the one form that encode writes.
func decode(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil && encode(b) != s { // the decoder lets pass line breaks and stray bits
		err = errors.New("not in the shortest form of base64url")
	}
	return b, err
}
