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
	"strconv"
	"strings"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/mail"
)

// The algorithms of a key, as k= names them (RFC 6376, section 3.6.1; RFC 8463).
const (
	RSA     = "rsa"
	Ed25519 = "ed25519"
)

// rsaBits is what RFC 8301 recommends and what fits a TXT record everywhere.
const rsaBits = 2048

// key is one signing key of a domain. Its name is the selector, under which the
// DNS has it.
type key struct {
	keyset.Key
	p     string // the public half, as p= in the record
	file  string // of the private half, beside the state file; "" elsewhere
	label string // of the private half in the vault; "" elsewhere

	private crypto.Signer // of a key that signs, once it was looked for
}

// algorithm returns the value of a= (RFC 6376, section 3.3; RFC 8463).
func (k *key) algorithm() string { return k.Alg + "-sha256" }

// record returns the text of the TXT record (RFC 6376, section 3.6.1). That of a
// compromised key has an empty p=: the key is revoked, whatever it signed.
func (k *key) record() string {
	p := k.p
	if k.Reason == keyset.Compromised {
		p = ""
	}
	return "v=DKIM1; k=" + k.Alg + "; p=" + p
}

// publicText returns the public half as p= in the record.
func publicText(public crypto.PublicKey) (alg, p string, err error) {
	var b []byte
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < rsaBits {
			return "", "", fmt.Errorf("an RSA key of less than %d bits", rsaBits)
		}
		alg = RSA
		b, err = x509.MarshalPKIXPublicKey(public)
	case ed25519.PublicKey:
		alg, b = Ed25519, public
	default:
		return "", "", errors.New("neither an RSA nor an Ed25519 key")
	}
	return alg, base64.StdEncoding.EncodeToString(b), err
}

// makeKey returns a fresh key as PKCS #8 in PEM.
func makeKey(alg string) ([]byte, error) {
	var private any
	var err error
	if alg == Ed25519 {
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
	return pemOf(der), nil
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// parsePEM reads what makeKey wrote, or a key that someone brought along in the
// same form, of any algorithm that can sign here.
func parsePEM(b []byte) (private crypto.Signer, alg, p string, err error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, "", "", errors.New("not one PKCS #8 private key in PEM")
	}
	return parseDER(block.Bytes)
}

func parseDER(der []byte) (private crypto.Signer, alg, p string, err error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, "", "", err
	}
	private, ok := k.(crypto.Signer)
	if !ok {
		return nil, "", "", errors.New("not a key that signs")
	}
	alg, p, err = publicText(private.Public())
	return private, alg, p, err
}

// selectorSuffix tells the two algorithms apart in a selector.
var selectorSuffix = map[string]string{RSA: "", Ed25519: "-ed"}

// nextSelector returns the selector of a domain's next key: mm2 after mm1.
func nextSelector(keys []*key, alg string) string {
	last := 0
	for _, k := range keys {
		number, ok := strings.CutPrefix(strings.TrimSuffix(k.Name, selectorSuffix[alg]), "mm")
		if n, err := strconv.Atoi(number); ok && err == nil && k.Alg == alg {
			last = max(last, n)
		}
	}
	for { // somebody may have brought a key of another algorithm along under the name
		last++
		if name := "mm" + strconv.Itoa(last) + selectorSuffix[alg]; set(keys).Named(name) == nil {
			return name
		}
	}
}

// maxSelector leaves room for the longest domain in a name of 253 octets and is
// more than anybody uses.
const maxSelector = 32

// checkSelector refuses what is not one label of letters, digits and hyphens
// (RFC 6376, section 3.1; more than one label is for others).
func checkSelector(s string) error {
	if s == "" || len(s) > maxSelector || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
		strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		return mail.ErrInvalid.Errorf("a selector is up to %d letters in lower case, digits and hyphens", maxSelector)
	}
	return nil
}
