package registry

import (
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Lasting returns p as it stands now, for what p has set up and goes on while nobody
// presents a token. It is worth what the binding or the grant is, and ends with it; a client
// certificate is judged in a handshake alone, so it sets up nothing. Nothing outlasts a closed account.
func (r *Registry) Lasting(tx store.Tx, p Principal) (Principal, error) {
	if err := r.lets(tx); err != nil {
		return Principal{}, err
	}
	switch p.Credential.Kind {
	case CredentialToken:
		b, ok, err := get[Binding](tx, bindingKey+p.Credential.ID)
		if err == nil && (!ok || !b.EndedAt.IsZero() || b.Kind != p.Kind || b.Owner != p.Name) {
			err = ErrCredentials
		}
		return r.lasting(tx, p, b.Mailboxes, b.Scopes, err)
	case CredentialGrant:
		g, ok, err := get[Grant](tx, grantKey+p.Credential.ID)
		if err == nil && (!ok || !g.EndedAt.IsZero() || g.Kind != p.Kind || g.Owner != p.Name) {
			err = ErrCredentials
		}
		if err == nil {
			err = r.StillGrants(tx, g)
		}
		return r.lasting(tx, p, g.Mailboxes, g.Scopes, err)
	case CredentialCertificate:
		return Principal{}, ErrCredentials
	}
	return r.Current(tx, p)
}

// lasting returns the owner of a binding or a grant, unless that has failed.
func (r *Registry) lasting(
	tx store.Tx, p Principal, boxes []mail.Address, scopes []Scope, failed error,
) (Principal, error) {
	if failed != nil {
		return Principal{}, failed
	}
	now, err := r.holder(tx, p.Kind, p.Name, boxes, p.Credential)
	now.Scopes = scopes
	return now, err
}
