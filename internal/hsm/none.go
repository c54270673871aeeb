//go:build !pkcs11

package hsm

import "crypto"

// Token is an open token.
type Token struct{}

// Open opens a token and logs in.
func Open(Options) (*Token, error) { return nil, ErrNotBuilt }

// Make makes a key pair for ES256 or rsa under a label that is not taken.
func (*Token) Make(string, string) (crypto.Signer, error) { return nil, ErrNotBuilt }

// Open returns the key pair of that label.
func (*Token) Open(string) (crypto.Signer, error) { return nil, ErrNotBuilt }

// Close logs out.
func (*Token) Close() error { return nil }
