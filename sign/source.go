package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// RecordName is where a domain mirrors its identity keys in DNS.
func RecordName(domain string) string { return "_multimail-identity." + strings.ToLower(domain) }

// RecordDomain returns the domain whose keys stand at a name of TXT records: that of
// [RecordName], or one below _domainkey.
func RecordDomain(name string) string {
	if _, domain, ok := strings.Cut(name, "._domainkey."); ok {
		return domain
	}
	return strings.TrimPrefix(name, RecordName(""))
}

// RecordKeys is Document of a [Lookup] that takes keys from the DNS.
func RecordKeys(txt func(name string) ([]string, error)) func(iss, kid string) ([]byte, error) {
	return func(iss, kid string) ([]byte, error) {
		records, err := txt(RecordName(strings.TrimPrefix(iss, "https://")))
		if err != nil {
			return nil, err
		}
		return FromTXT(records, kid)
	}
}

// maxRecords bounds how many records of one name are read.
const maxRecords = 32

// FromTXT makes the key document that the TXT records of [RecordName] stand
// for, with the key that is named kid alone. Every record that begins with v=
// must be one of these keys, and no kid may name two: an answer that two readers
// could take for two keys is none. Other records, such as those of a wildcard,
// are left out.
func FromTXT(records []string, kid string) ([]byte, error) {
	if len(records) > maxRecords {
		return nil, fmt.Errorf("more than %d TXT records at one name", maxRecords)
	}
	seen := map[string]string{}
	var found *jwk
	for _, text := range records {
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(text)), "v=") {
			continue
		}
		j, err := parseRecord(text)
		if err != nil {
			return nil, err
		}
		if other, twice := seen[j.Kid]; twice && other != text {
			return nil, fmt.Errorf("two different records of the key %s", j.Kid)
		}
		seen[j.Kid] = text
		if j.Kid == kid {
			found = &j
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the DNS has no key %s", kid)
	}
	return json.Marshal(document{Keys: []published{{jwk: *found}}})
}

// parseRecord reads "v=MMID1; kid=…; alg=ES256; p=…", where p is the public key
// as SubjectPublicKeyInfo in base64. Unknown tags are left out.
func parseRecord(text string) (j jwk, err error) {
	tags := map[string]string{}
	for i, tag := range strings.Split(strings.TrimSuffix(strings.TrimSpace(text), ";"), ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(tag), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if _, twice := tags[name]; twice || !ok || i == 0 && (name != "v" || value != "MMID1") {
			return j, errors.New("a TXT record that is not of the form v=MMID1; kid=…; alg=ES256; p=…")
		}
		tags[name] = value
	}
	der, err := base64.StdEncoding.Strict().DecodeString(tags["p"])
	if err != nil || tags["alg"] != algorithm {
		return j, errors.New("a v=MMID1 record without alg=ES256, or with a p= that is not base64")
	}
	if j, err = fromSPKI(der); err != nil {
		return j, fmt.Errorf("a v=MMID1 record: %w", err)
	}
	if j.Kid != tags["kid"] {
		return j, errors.New("a v=MMID1 record whose kid is not the beginning of the key's thumbprint")
	}
	return j, nil
}

// fromSPKI reads a public key in the form of X.509.
func fromSPKI(der []byte) (jwk, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	p256, ok := public.(*ecdsa.PublicKey)
	if err != nil || !ok || p256.Curve != elliptic.P256() {
		return jwk{}, errors.New("not a public key on P-256")
	}
	j, err := (&key{public: p256}).jwk()
	j.Kid = j.name()
	return j, err
}

// FromFile makes a key document of a file: one that is a document, a set of
// JWKs or a single JWK is returned as it is, a public key in PEM becomes one.
func FromFile(b []byte) ([]byte, error) {
	if t := bytes.TrimSpace(b); len(t) > 0 && t[0] == '{' {
		return t, nil
	}
	var doc document
	for rest := b; len(bytes.TrimSpace(rest)) > 0; {
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "PUBLIC KEY" {
			return nil, errors.New("the file is neither a key document, nor a JWK set, nor a PEM file of PUBLIC KEYs")
		}
		j, err := fromSPKI(block.Bytes)
		if err != nil {
			return nil, err
		}
		doc.Keys, rest = append(doc.Keys, published{jwk: j}), after
	}
	if len(doc.Keys) == 0 {
		return nil, errors.New("the key file is empty")
	}
	return json.Marshal(doc)
}
