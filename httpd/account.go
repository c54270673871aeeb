package httpd

import (
	"net/http"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// account shows who answers for the installation.
func (s *Server) account(r *request) (answer, error) {
	var o registry.Operator
	err := s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		o, err = s.o.Registry.Operator(tx)
		return err
	})
	return answer{http.StatusOK, api.Account{Name: o.Name, OversightEmail: o.Oversight.String()}}, err
}

func (s *Server) patchAccount(r *request) (answer, error) {
	var p api.AccountPatch
	if err := decode(r, &p, smallBody); err != nil {
		return answer{}, err
	}
	var address mail.Address
	if p.OversightEmail != nil {
		var err error
		if address, err = mail.ParseAddress(*p.OversightEmail); err != nil {
			return answer{}, err
		}
	}
	err := s.o.Store.Update(r.Context(), func(tx store.Tx) error {
		o, err := s.o.Registry.Operator(tx)
		if err != nil {
			return err
		}
		if p.Name != nil {
			o.Name = *p.Name
		}
		if p.OversightEmail != nil {
			o.Oversight = address
		}
		if err := s.o.Registry.SetOperator(tx, r.p, o); err != nil {
			return err
		}
		return s.budgets(tx)
	})
	if err != nil {
		return answer{}, err
	}
	return s.account(r)
}
