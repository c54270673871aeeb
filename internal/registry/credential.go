package registry

import (
	"slices"

	"github.com/multimail/multimail/mail"
)

// CredentialKind says by what a principal was recognised.
type CredentialKind string

// The kinds of credentials. A principal that has none is nobody: see Current.
const (
	CredentialSocket      CredentialKind = "socket"      // the local socket, guarded by the operating system
	CredentialKey         CredentialKind = "key"         // an API key
	CredentialPassword    CredentialKind = "password"    // the password of an agent
	CredentialToken       CredentialKind = "token"       // a token of an issuer, by a binding
	CredentialCertificate CredentialKind = "certificate" // a TLS client certificate
)

// Credential names what a principal was recognised by. ID is that of the record
// of the key, password, binding or certificate; the socket has none. Entries of the audit
// log have it in their private field "credential".
type Credential struct {
	Kind CredentialKind
	ID   string
}

// within returns p limited to the mailboxes; nil is no limit.
func (p Principal) within(boxes []mail.Address) Principal {
	if boxes != nil {
		p.Mailboxes = slices.DeleteFunc(slices.Clone(p.Mailboxes), func(a mail.Address) bool { return !contains(boxes, a) })
	}
	return p
}
