package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

func (s *Server) bindingsList(ctx context.Context, _ caller, _ api.None) (api.Bindings, error) {
	var all []registry.Binding
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Bindings(tx)
		return err
	})
	list := api.Bindings{Bindings: []api.Binding{}}
	for _, b := range all {
		list.Bindings = append(list.Bindings, bindingOf(b))
	}
	return list, err
}

func bindingOf(b registry.Binding) api.Binding {
	v := api.Binding{
		ID: b.ID, Kind: string(b.Kind), Owner: b.Owner, Issuer: b.Issuer, Tenant: b.Tenant, Object: b.Object,
		Client: b.Client, Account: b.Account, Scopes: texts(b.Scopes), IsActive: b.EndedAt.IsZero(),
		CreatedAt: b.CreatedAt, CreatedBy: b.CreatedBy, EndedAt: b.EndedAt,
	}
	if len(b.Mailboxes) > 0 {
		v.Mailboxes = addresses(b.Mailboxes)
	}
	return v
}

// addBinding binds an identity.
func (s *Server) addBinding(ctx context.Context, c caller, in api.NewBinding) (out api.Binding, _ error) {
	boxes, err := limits(in.Mailboxes)
	if err != nil {
		return out, err
	}
	q := registry.BindingRequest{Kind: registry.Kind(in.Kind), Owner: in.Owner, Issuer: in.Issuer, Tenant: in.Tenant,
		Object: in.Object, Client: in.Client, Account: in.Account, Scopes: scopes(in.Scopes), Mailboxes: boxes}
	if check := s.o.CheckIdentity; check != nil {
		if err := check(in.Issuer, in.Tenant, in.Object, in.Client, in.Account); err != nil {
			return out, err
		}
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		b, err := s.o.Registry.Bind(tx, c.Principal, q)
		out = bindingOf(b)
		if err != nil {
			return err
		}
		return s.budgets(tx)
	})
	return out, err
}

// endBinding ends a binding at its next use.
func (s *Server) endBinding(ctx context.Context, c caller, in api.BindingRef) (out api.Done, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		return s.o.Registry.Unbind(tx, c.Principal, in.ID)
	})
	if err != nil {
		return out, err
	}
	return api.Done{Status: "ended"}, nil
}
