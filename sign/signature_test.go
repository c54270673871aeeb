package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/keyset"
)

// A signer in another place may return anything.
func TestASignatureOfAnotherPlaceIsCheckedBeforeItLeaves(t *testing.T) {
	h := newFixture(t)
	order := elliptic.P256().Params().N
	one, zero := big.NewInt(1), big.NewInt(0)
	der := func(n ...*big.Int) []byte {
		b, err := asn1.Marshal(n)
		h.must(err)
		return b
	}
	good := der(one, new(big.Int).Sub(order, one))
	for name, tt := range map[string]struct {
		der  []byte
		want string
	}{
		"in range, not of this key": {good, "does not verify"},
		"r is zero":                 {der(zero, one), "out of range"},
		"s is zero":                 {der(one, zero), "out of range"},
		"r is negative":             {der(big.NewInt(-1), one), "out of range"},
		"s is the order":            {der(one, order), "out of range"},
		"r is longer than 32":       {der(new(big.Int).Lsh(one, 256), one), "out of range"},
		"three integers":            {der(one, one, one), "not two integers"},
		"one integer":               {der(one), "not two integers"},
		"something after it":        {append(good, 0), "not two integers"},
		"cut short":                 {good[:len(good)-1], "not two integers"},
		"R and S, not DER":          {make([]byte, 64), "not two integers"},
		"nothing":                   {nil, "not two integers"},
		"an integer not minimal":    {[]byte{0x30, 7, 2, 2, 0, 1, 2, 1, 1}, "not two integers"},
	} {
		d, err := h.keys.load(testDomain)
		h.must(err)
		if sig, err := es256(device{der: tt.der}, d.current().public, "x"); err == nil || sig != nil ||
			!strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fixed(good); err != nil {
		t.Errorf("the largest and the smallest: %v", err)
	}
}

// device is a signer that returns what a test wants.
type device struct {
	public crypto.PublicKey
	der    []byte
	sign   crypto.Signer
	err    error
}

func (d device) Public() crypto.PublicKey {
	if d.sign != nil {
		return d.sign.Public()
	}
	return d.public
}

func (d device) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if d.err != nil || d.sign == nil {
		return d.der, d.err
	}
	return d.sign.Sign(r, digest, o)
}

// memory is a vault in memory.
type memory map[string]device

func (m memory) Make(alg, label string) (crypto.Signer, error) {
	if _, ok := m[label]; ok || alg != algorithm {
		return nil, errors.New("taken, or another algorithm")
	}
	p, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	m[label] = device{sign: p}
	return m[label], err
}

func (m memory) Open(label string) (crypto.Signer, error) {
	d, ok := m[label]
	if !ok {
		return nil, errors.New("no such label")
	}
	return d, nil
}

func TestAKeyInAVaultSignsAndNothingElseCanTakeItsPlace(t *testing.T) {
	h := newFixture(t)
	vault := memory{}
	h.keys.UseVault(vault)
	h.must(h.keys.Prepare(testDomain, noon))
	h.must(h.keys.Switch(testDomain, h.kid(keyset.Next), noon))
	if v := h.verify(h.at(noon)); v.Status != Valid || len(vault) != 1 {
		t.Fatalf("%+v, %d keys in the vault", v, len(vault))
	}
	h.must(h.keys.Ready(testDomain))
	for label, d := range vault {
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		h.must(err)
		for name, bad := range map[string]device{
			"another key under the label": {sign: other},
			"a device that fails":         {sign: nil, public: d.Public(), err: errors.New("the device is away")},
			"no signature":                {public: d.Public()},
		} {
			vault[label] = bad
			line, err := NewStamper(h.keys).Stamp(t.Context(), released(t, sample), []byte(sample))
			if err == nil || line != nil {
				t.Errorf("%s: stamped %q", name, line)
			}
			if _, err := h.keys.Document(testDomain); err != nil { // needs no private half
				t.Errorf("%s: document: %v", name, err)
			}
		}
		delete(vault, label)
	}
	if err := h.keys.Ready(testDomain); err == nil {
		t.Error("ready without its key")
	}
	if err := OpenKeys(h.dir).Ready(testDomain); err == nil || !strings.Contains(err.Error(), "none is configured") {
		t.Errorf("no vault: %v", err)
	}
}
