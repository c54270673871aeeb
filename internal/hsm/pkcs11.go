//go:build pkcs11

package hsm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/ThalesGroup/crypto11"
)

// The algorithms of keys that a token makes.
const (
	es256   = "ES256" // ECDSA on P-256 with SHA-256
	rsa2048 = "rsa"
)

// check refuses a key of a kind that was not asked for.
func check(alg string, public any) error {
	if _, ec := public.(*ecdsa.PublicKey); ec != (alg == es256) {
		return fmt.Errorf("the token made another key than %s", alg)
	}
	return nil
}

// Token is an open token.
type Token struct {
	ctx *crypto11.Context

	mu   sync.Mutex
	keys map[string]crypto.Signer // that were opened, by label
}

// Open opens a token and logs in.
func Open(o Options) (*Token, error) {
	ctx, err := crypto11.Configure(&crypto11.Config{Path: o.Module, TokenLabel: o.Label, Pin: o.PIN})
	if err != nil {
		return nil, fmt.Errorf("open the token: %w", err)
	}
	return &Token{ctx: ctx, keys: map[string]crypto.Signer{}}, nil
}

// Make makes a key pair for ES256 or rsa under a label that is not taken.
func (t *Token) Make(alg, label string) (crypto.Signer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, err := t.ctx.FindKeyPairs(nil, []byte(label)); err != nil || len(found) > 0 {
		return nil, errors.Join(err, errors.New("the label is taken, or the token does not answer"))
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	var k crypto.Signer
	var err error
	switch alg {
	case es256:
		k, err = t.ctx.GenerateECDSAKeyPairWithLabel(id, []byte(label), elliptic.P256())
	case rsa2048:
		k, err = t.ctx.GenerateRSAKeyPairWithLabel(id, []byte(label), 2048)
	default:
		err = fmt.Errorf("a token makes no key for %q here", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key in the token: %w", err)
	}
	if err := check(alg, k.Public()); err != nil {
		return nil, err
	}
	t.keys[label] = k
	return k, nil
}

// Open returns the key pair of that label.
func (t *Token) Open(label string) (crypto.Signer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.keys[label]; k != nil {
		return k, nil
	}
	found, err := t.ctx.FindKeyPairs(nil, []byte(label))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d keys of this label", len(found))
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the token: %w", err)
	}
	t.keys[label] = found[0]
	return found[0], nil
}

// Close logs out.
func (t *Token) Close() error { return t.ctx.Close() }
