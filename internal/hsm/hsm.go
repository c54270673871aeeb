// Package hsm keeps private keys in a PKCS #11 token: a hardware security module,
// a smart card, or SoftHSM. A key is made there, signs there and never leaves.
//
// It needs cgo and the library of the token's maker, and is therefore built only
// with the tag pkcs11:
//
//	go build -tags pkcs11 ./cmd/multimail
//
// Without the tag Open returns [ErrNotBuilt].
package hsm

import "errors"

// Options say which token.
type Options struct {
	Module string // path of the PKCS #11 library
	Label  string // of the token
	PIN    string // of its user
}

// ErrNotBuilt says that this program has no PKCS #11.
var ErrNotBuilt = errors.New("this program was built without PKCS #11; build it with -tags pkcs11")
