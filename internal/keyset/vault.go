package keyset

import "crypto"

// Vault holds private keys outside of the data directory and signs with them: a
// PKCS #11 token, or the key management service of a cloud. A key in it is found
// by its label.
type Vault interface {
	// Make makes a key for an algorithm (ES256, rsa, ed25519) that never leaves
	// the vault. A label that is taken is an error.
	Make(alg, label string) (crypto.Signer, error)
	// Open returns the key of that label.
	Open(label string) (crypto.Signer, error)
}
