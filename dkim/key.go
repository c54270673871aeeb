package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// The selectors: under which name the DNS has each key.
const (
	selectorRSA     = "mm1"
	selectorEd25519 = "mm1-ed"
)

// rsaBits is what RFC 8301 recommends and what fits a TXT record everywhere.
const rsaBits = 2048

// key is one signing key of a domain.
type key struct {
	selector string
	private  crypto.Signer
	record   string // what the TXT record says
}

// algorithm returns the value of a= (RFC 6376, section 3.3; RFC 8463).
func (k *key) algorithm() string {
	if k.selector == selectorEd25519 {
		return "ed25519-sha256"
	}
	return "rsa-sha256"
}

// makeKey returns a fresh key for a selector as PKCS #8 in PEM.
func makeKey(selector string) ([]byte, error) {
	var private any
	var err error
	if selector == selectorEd25519 {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	} else {
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// parseKey reads what makeKey wrote, or a key that someone brought along in the
// same form.
func parseKey(selector string, b []byte) (*key, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, errors.New("not one PKCS #8 private key in PEM")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	switch p := private.(type) {
	case *rsa.PrivateKey:
		if selector != selectorRSA || p.N.BitLen() < rsaBits {
			break
		}
		spki, err := x509.MarshalPKIXPublicKey(&p.PublicKey)
		if err != nil {
			return nil, err
		}
		return &key{selector, p, record("rsa", spki)}, nil
	case ed25519.PrivateKey:
		if selector != selectorEd25519 {
			break
		}
		return &key{selector, p, record("ed25519", p.Public().(ed25519.PublicKey))}, nil
	}
	return nil, fmt.Errorf("not a key for selector %s", selector)
}

// record returns the text of the TXT record (RFC 6376, section 3.6.1).
func record(kind string, public []byte) string {
	return "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)
}
