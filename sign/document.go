package sign

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// published is a public key as the document lists it. Times are Unix seconds.
type published struct {
	jwk
	NotBefore int64 `json:"nbf,omitempty"`        // when it began to sign
	RetiredAt int64 `json:"retired_at,omitempty"` // when it ceased to
}

// document is what /.well-known/multimail-signing-key serves: a JWK and a JWK
// set in one object. The two-line check of a stock library imports it as it is
// and gets the current key; a client that knows key sets finds every other.
type document struct {
	jwk
	Keys []published `json:"keys"`
}

// Document returns the key document of a domain.
func (k *Keyring) Document(domain string) ([]byte, error) {
	d, err := k.load(domain)
	if err != nil {
		return nil, err
	}
	var doc document
	for _, k := range d.keys {
		public, err := k.jwk()
		if err != nil {
			return nil, fmt.Errorf("sign: key document of %s: %w", domain, err)
		}
		if k.signs() {
			doc.jwk = public
		}
		doc.Keys = append(doc.Keys, published{public, unix(k.activated), unix(k.retired)})
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("sign: key document of %s: %w", domain, err)
	}
	return append(b, '\n'), nil
}

// unix returns 0 for the zero time, which the document leaves out.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// DNS returns the TXT record that mirrors the current key of a domain, for
// verifiers without HTTPS.
func (k *Keyring) DNS(domain string) (name, txt string, err error) {
	d, err := k.load(domain)
	if err != nil {
		return "", "", err
	}
	current := d.current()
	spki, err := x509.MarshalPKIXPublicKey(current.public)
	if err != nil {
		return "", "", fmt.Errorf("sign: record of %s: %w", domain, err)
	}
	txt = fmt.Sprintf("v=MMID1; kid=%s; alg=%s; p=%s",
		current.kid, algorithm, base64.StdEncoding.EncodeToString(spki))
	return "_multimail-identity." + strings.ToLower(domain), txt, nil
}

// maxDocument bounds what the server of somebody else may answer.
const maxDocument = 256 << 10

// find returns the key of that name from a document, and checks it.
func find(doc []byte, kid string) (*key, error) {
	if len(doc) > maxDocument {
		return nil, errors.New("the key document is too large")
	}
	var d document
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, errors.New("the key document is not a JSON object of keys")
	}
	// keys first: there the current key stands too, with its times.
	for _, p := range append(d.Keys, published{jwk: d.jwk}) {
		if p.Kid != kid {
			continue
		}
		public, err := p.publicKey()
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", kid, err)
		}
		k := &key{kid: kid, public: public}
		if p.RetiredAt != 0 {
			k.retired = time.Unix(p.RetiredAt, 0)
		}
		return k, nil
	}
	return nil, fmt.Errorf("the key document has no key %s", kid)
}
