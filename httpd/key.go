package httpd

import (
	"net/http"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (s *Server) keys(r *request) (answer, error) {
	var all []registry.Key
	err := s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Keys(tx)
		return err
	})
	list := api.Keys{Keys: []api.Key{}}
	for _, k := range all {
		list.Keys = append(list.Keys, keyOf(k))
	}
	return answer{http.StatusOK, list}, err
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

func (s *Server) addKey(r *request) (answer, error) {
	var n api.NewKey
	if err := decode(r, &n, smallBody); err != nil {
		return answer{}, err
	}
	q := registry.KeyRequest{Name: n.Name, Kind: registry.Kind(n.Kind), Owner: n.Owner}
	for _, scope := range n.Scopes {
		q.Scopes = append(q.Scopes, registry.Scope(scope))
	}
	if n.Mailboxes != nil { // [] is no mailbox at all, not every mailbox
		q.Mailboxes = []mail.Address{}
	}
	for _, text := range n.Mailboxes {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return answer{}, err
		}
		q.Mailboxes = append(q.Mailboxes, a)
	}
	var v api.KeySecret
	err := s.o.Store.Update(r.Context(), func(tx store.Tx) error {
		k, secret, err := s.o.Registry.AddKey(tx, r.p, q)
		v = api.KeySecret{Key: keyOf(k), Secret: secret}
		return err
	})
	return answer{http.StatusCreated, v}, err
}

// revokeKey ends a key at its next use.
func (s *Server) revokeKey(r *request) (answer, error) {
	if err := empty(r); err != nil {
		return answer{}, err
	}
	err := s.o.Store.Update(r.Context(), func(tx store.Tx) error {
		return s.o.Registry.RevokeKey(tx, r.p, r.PathValue("id"))
	})
	if err != nil {
		return answer{}, err
	}
	return done("revoked")
}
