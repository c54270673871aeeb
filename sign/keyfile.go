package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/multimail/multimail/internal/keyset"
)

// keyFile is the format of identity.json.
type keyFile struct {
	RefKey string     `json:"agent_ref_key"`
	Keys   []keyEntry `json:"keys"`
}

// keyEntry is one key. The private half of one that signs no more may be gone;
// one in a vault is named by its label.
type keyEntry struct {
	jwk
	D     string `json:"d,omitempty"`
	Label string `json:"label,omitempty"`
	keyset.Life
}

func formatKeys(d *domainKeys) ([]byte, error) {
	f := keyFile{RefKey: encode(d.refKey)}
	for _, k := range d.keys {
		public, err := k.jwk()
		if err != nil {
			return nil, err
		}
		e := keyEntry{jwk: public, Label: k.label, Life: k.Life}
		if k.private != nil {
			secret, err := k.private.Bytes()
			if err != nil {
				return nil, err
			}
			e.D = encode(secret)
		}
		f.Keys = append(f.Keys, e)
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// parseKeys is strict: a file that was edited or cut short must not sign.
func parseKeys(b []byte) (*domainKeys, error) {
	var f keyFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(b[dec.InputOffset():])) > 0 {
		return nil, errors.New("something follows the keys")
	}
	refKey, err := decode(f.RefKey)
	if err != nil || len(refKey) != 32 {
		return nil, errors.New("agent_ref_key has not 32 octets")
	}
	d := &domainKeys{refKey: refKey}
	for _, e := range f.Keys {
		k, err := e.key()
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", e.Kid, err)
		}
		d.keys = append(d.keys, k)
	}
	if err := d.set().Check(); err != nil {
		return nil, err
	}
	if d.current() == nil {
		return nil, errors.New("no key signs")
	}
	slices.SortStableFunc(d.keys, func(a, b *key) int { return keyset.Compare(&a.Key, &b.Key) })
	return d, nil
}

func (e keyEntry) key() (*key, error) {
	public, err := e.publicKey()
	if err != nil {
		return nil, err
	}
	k := &key{public: public, label: e.Label, Key: keyset.Key{Name: e.Kid, Alg: algorithm, Life: e.Life}}
	switch s := e.State(); {
	case e.D != "" && e.Label != "":
		return nil, errors.New("its private half is in two places")
	case e.Label != "", e.D == "" && (s == keyset.Retired || s == keyset.Revoked):
		return k, nil
	}
	secret, err := decode(e.D)
	if err != nil {
		return nil, errors.New("the private half cannot be read")
	}
	if k.private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), secret); err != nil {
		return nil, errors.New("the private half is not a P-256 key")
	}
	if !k.private.PublicKey.Equal(public) {
		return nil, errors.New("the two halves do not belong together")
	}
	return k, nil
}
