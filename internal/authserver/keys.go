package authserver

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/multimail/multimail/internal/store"
)

// keyLife is how old the newest signing key becomes. The one before is accepted until the
// next one is made, which is far longer than any of its tokens is good.
const keyLife = 90 * 24 * time.Hour

// keys are the secrets of the server. They are in the store, so that they survive a
// restart, are part of every backup, and are the same for all nodes.
type keys struct {
	Signing []signingKey `json:"signing"` // the newest first
	Seal    []byte       `json:"seal"`    // of what a browser keeps for us
}

// signingKey signs access tokens.
type signingKey struct {
	ID        string    `json:"id"`
	Private   []byte    `json:"private"` // PKCS #8, P-256
	CreatedAt time.Time `json:"created_at"`
}

func (k signingKey) key() (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, fmt.Errorf("authserver: signing key: %w", err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("authserver: the signing key is not of P-256")
	}
	return private, nil
}

// Prepare makes the first keys, and the next signing key when the newest has become old. It
// is called at every start.
func (s *Server) Prepare(tx store.Tx) error {
	var ks keys
	if _, err := read(tx, keysKey, &ks); err != nil {
		return err
	}
	now := tx.Now().UTC()
	if len(ks.Seal) == sha256.Size && len(ks.Signing) > 0 && now.Sub(ks.Signing[0].CreatedAt) < keyLife {
		return nil
	}
	if len(ks.Seal) != sha256.Size {
		seal := random()
		ks.Seal = seal[:]
	}
	if len(ks.Signing) == 0 || now.Sub(ks.Signing[0].CreatedAt) >= keyLife {
		k, err := newSigningKey(now)
		if err != nil {
			return err
		}
		ks.Signing = append([]signingKey{k}, ks.Signing...)
		ks.Signing = ks.Signing[:min(2, len(ks.Signing))]
	}
	return put(tx, keysKey, ks)
}

func newSigningKey(now time.Time) (k signingKey, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return k, err
	}
	k.CreatedAt = now
	if k.Private, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return k, err
	}
	sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	k.ID = base64.RawURLEncoding.EncodeToString(sum)
	return k, err
}

func (s *Server) keys(tx store.Tx) (ks keys, err error) {
	ok, err := read(tx, keysKey, &ks)
	if err == nil && (!ok || len(ks.Signing) == 0 || len(ks.Seal) != sha256.Size) {
		err = errors.New("authserver: the keys are missing")
	}
	return ks, err
}

// KeySet returns the public keys of access tokens as a JWK set.
func (s *Server) KeySet(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		set.Keys = nil
		for _, k := range ks.Signing {
			private, err := k.key()
			if err != nil {
				return err
			}
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: k.ID,
				Algorithm: string(jose.ES256), Use: "sig"})
		}
		return nil
	})
	return set, err
}

// seal encrypts what a browser keeps for us, for one purpose.
func (ks keys) seal(purpose string, plain []byte) (string, error) {
	gcm, err := ks.gcm()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, plain, []byte(purpose))), nil
}

// open decrypts what seal made for the same purpose; ok is false for anything else.
func (ks keys) open(purpose, sealed string) (plain []byte, ok bool) {
	gcm, err := ks.gcm()
	b, err2 := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || err2 != nil || len(b) < gcm.NonceSize() {
		return nil, false
	}
	plain, err = gcm.Open(nil, b[:gcm.NonceSize()], b[gcm.NonceSize():], []byte(purpose))
	return plain, err == nil
}

// mark returns a name for something that nobody without the keys can tell it from.
func (ks keys) mark(what string) string {
	h := hmac.New(sha256.New, ks.Seal)
	h.Write([]byte(what))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

func (ks keys) gcm() (cipher.AEAD, error) {
	block, err := aes.NewCipher(ks.Seal)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// random returns 256 random bits.
func random() (b [sha256.Size]byte) {
	rand.Read(b[:]) // never fails: the runtime ends the process first
	return b
}
