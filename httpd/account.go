package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// account shows who answers for the installation.
func (s *Server) account(ctx context.Context, _ caller, _ api.None) (api.Account, error) {
	var o registry.Operator
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		o, err = s.o.Registry.Operator(tx)
		return err
	})
	return api.Account{Name: o.Name, OversightEmail: o.Oversight.String()}, err
}

func (s *Server) patchAccount(ctx context.Context, c caller, in api.AccountPatch) (out api.Account, _ error) {
	var address mail.Address
	if in.OversightEmail != nil {
		var err error
		if address, err = mail.ParseAddress(*in.OversightEmail); err != nil {
			return out, err
		}
	}
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		o, err := s.o.Registry.Operator(tx)
		if err != nil {
			return err
		}
		if in.Name != nil {
			o.Name = *in.Name
		}
		if in.OversightEmail != nil {
			o.Oversight = address
		}
		if err := s.o.Registry.SetOperator(tx, c.Principal, o); err != nil {
			return err
		}
		return s.budgets(tx)
	})
	if err != nil {
		return out, err
	}
	return s.account(ctx, c, api.None{})
}
