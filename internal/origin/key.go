package origin

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
)

// minRSA is the shortest modulus that is accepted, in octets (RFC 8301, section 3.2).
const minRSA = 1024 / 8

var errKey = errors.New("a key that cannot be used")

// publicKey verifies signatures of ARC. For those of DKIM the library has its own.
type publicKey struct {
	rsa     *rsa.PublicKey
	ed25519 ed25519.PublicKey
}

// parseKey reads a key record (RFC 6376, section 3.6.1) for an algorithm of a=.
func parseKey(record, algorithm string) (k publicKey, err error) {
	tags, err := parseTags(record)
	if err != nil || !within(tags, "v", "DKIM1") || !within(tags, "h", "sha256") || !within(tags, "s", "email", "*") {
		return k, errKey
	}
	der, err := base64.StdEncoding.DecodeString(compact(tags["p"]))
	if err != nil || len(der) == 0 {
		return k, errKey
	}
	switch typ := tags["k"]; {
	case algorithm == "rsa-sha256" && (typ == "" || typ == "rsa"):
		k.rsa, err = parseRSA(der)
	case algorithm == "ed25519-sha256" && typ == "ed25519" && len(der) == ed25519.PublicKeySize:
		k.ed25519 = der
	default:
		err = errKey
	}
	return k, err
}

// within reports whether a tag is not there, or one of its values is among the words.
func within(tags map[string]string, tag string, words ...string) bool {
	list, has := tags[tag]
	return !has || slices.ContainsFunc(strings.Split(compact(list), ":"), func(v string) bool {
		return slices.Contains(words, v)
	})
}

func parseRSA(der []byte) (*rsa.PublicKey, error) {
	var parsed any
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		parsed, err = x509.ParsePKCS1PublicKey(der) // erratum 3017 of RFC 6376
	}
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok || key.Size() < minRSA {
		return nil, errKey
	}
	return key, nil
}

func (k publicKey) verify(signed, sig []byte) bool {
	sum := sha256.Sum256(signed)
	if k.rsa != nil {
		return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, sum[:], sig) == nil
	}
	return ed25519.Verify(k.ed25519, sum[:], sig) // RFC 8463, section 3
}

// isTemporary reports whether an error of the DNS says nothing about the name.
func isTemporary(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsTemporary
}
