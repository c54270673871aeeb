package registry

import (
	"slices"

	"github.com/multimail/multimail/internal/store"
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
	CredentialGrant       CredentialKind = "grant"       // a token of our own, of a grant
	CredentialCode        CredentialKind = "code"        // a code of the operator, for one request
)

// Credential names what a principal was recognised by. ID is that of the record
// of the key, password, binding, certificate or grant; the socket has none. Entries of the audit
// log have it in their private field "credential".
type Credential struct {
	Kind CredentialKind
	ID   string
}

// holder returns who holds a credential that is limited to the mailboxes (nil: all of
// the owner's), without scopes: those are for the credential to say.
func (r *Registry) holder(
	tx store.Tx, kind Kind, owner string, boxes []mail.Address, by Credential,
) (Principal, error) {
	if kind != KindAgent {
		return Principal{Kind: kind, Name: owner, Mailboxes: boxes, UID: -1, Credential: by}, nil
	}
	agent, err := r.ofAgent(tx, owner, by)
	if err != nil {
		return Principal{}, err
	}
	if boxes != nil {
		agent.limited = true
		agent.Mailboxes = slices.DeleteFunc(agent.Mailboxes, func(a mail.Address) bool { return !contains(boxes, a) })
	}
	return agent, nil
}
