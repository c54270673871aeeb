package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (s *Server) keys(ctx context.Context, _ caller, _ api.None) (api.Keys, error) {
	var all []registry.Key
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Keys(tx)
		return err
	})
	list := api.Keys{Keys: []api.Key{}}
	for _, k := range all {
		list.Keys = append(list.Keys, keyOf(k))
	}
	return list, err
}

func keyOf(k registry.Key) api.Key {
	v := api.Key{
		ID: k.ID, Name: k.Name, Kind: string(k.Kind), Owner: k.Owner, Prefix: k.Prefix, Scopes: []string{},
		IsActive: k.RevokedAt.IsZero(), CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, RevokedAt: k.RevokedAt,
	}
	for _, scope := range k.Scopes {
		v.Scopes = append(v.Scopes, string(scope))
	}
	if len(k.Mailboxes) > 0 {
		v.Mailboxes = addresses(k.Mailboxes)
	}
	return v
}

func (s *Server) addKey(ctx context.Context, c caller, in api.NewKey) (out api.KeySecret, _ error) {
	q := registry.KeyRequest{Name: in.Name, Kind: registry.Kind(in.Kind), Owner: in.Owner}
	for _, scope := range in.Scopes {
		q.Scopes = append(q.Scopes, registry.Scope(scope))
	}
	if in.Mailboxes != nil { // [] is no mailbox at all, not every mailbox
		q.Mailboxes = []mail.Address{}
	}
	for _, text := range in.Mailboxes {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return out, err
		}
		q.Mailboxes = append(q.Mailboxes, a)
	}
	var v api.KeySecret
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		k, secret, err := s.o.Registry.AddKey(tx, c.Principal, q)
		v = api.KeySecret{Key: keyOf(k), Secret: secret}
		return err
	})
	return v, err
}

// revokeKey ends a key at its next use.
func (s *Server) revokeKey(ctx context.Context, c caller, in api.KeyRef) (out api.Done, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		return s.o.Registry.RevokeKey(tx, c.Principal, in.ID)
	})
	if err != nil {
		return out, err
	}
	return api.Done{Status: "revoked"}, nil
}
