package httpd

import (
	"context"
	"errors"
	"fmt"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

func (s *Server) domains(ctx context.Context, _ caller, _ api.None) (api.Domains, error) {
	var all []registry.Domain
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Domains(tx)
		return err
	})
	list := api.Domains{Domains: []api.Domain{}}
	for _, d := range all {
		list.Domains = append(list.Domains, domainOf(d))
	}
	return list, err
}

func domainOf(d registry.Domain) api.Domain {
	return api.Domain{Name: d.Name, CreatedAt: d.CreatedAt}
}

// addDomain makes the keys first: no domain is ever here without them, and no
// mail waits at its release for a key to be made (invariant 7).
func (s *Server) addDomain(ctx context.Context, c caller, in api.NewDomain) (out api.Domain, _ error) {
	name, err := mail.ParseDomain(in.Name)
	if err != nil {
		return out, err
	}
	if err := s.o.Store.View(ctx, func(tx store.Tx) error { return s.newDomain(tx, name) }); err != nil {
		return out, err
	}
	now := s.o.Now()
	if err := s.o.Identity.Ensure(name, now); err != nil {
		return out, fmt.Errorf("httpd: identity key: %w", err)
	}
	if err := s.o.DKIM.Ensure(name, now); err != nil {
		return out, fmt.Errorf("httpd: dkim keys: %w", err)
	}
	var d registry.Domain
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if d, err = s.o.Registry.AddDomain(tx, c.Principal, name); err != nil {
			return err
		}
		return s.budget(tx, name, "")
	})
	if err != nil {
		return out, err
	}
	return s.withRecords(d)
}

// newDomain refuses a domain that is there already: only a new one gets new
// keys. Those of another may be lost, and must not be replaced in silence.
func (s *Server) newDomain(tx store.Tx, name string) error {
	switch _, err := s.o.Registry.Domain(tx, name); {
	case err == nil:
		return registry.ErrExists
	case !errors.Is(err, registry.ErrNotFound):
		return err
	}
	return s.budget(tx, name, "")
}

func (s *Server) domain(ctx context.Context, _ caller, in api.NameRef) (out api.Domain, _ error) {
	var d registry.Domain
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		d, err = s.o.Registry.Domain(tx, in.Name)
		return err
	})
	if err != nil {
		return out, err
	}
	return s.withRecords(d)
}

// withRecords shows a domain with all that its DNS must say.
func (s *Server) withRecords(d registry.Domain) (out api.Domain, _ error) {
	v := domainOf(d)
	name, txt, err := s.o.Identity.DNS(d.Name)
	if err != nil {
		return out, fmt.Errorf("httpd: identity record: %w", err)
	}
	v.DNS = []api.Record{{Type: "TXT", Name: name, Value: txt}}
	records, err := s.o.DKIM.Records(d.Name)
	if err != nil {
		return out, fmt.Errorf("httpd: dkim records: %w", err)
	}
	for _, rec := range records {
		v.DNS = append(v.DNS, api.Record{Type: "TXT", Name: rec.Name, Value: rec.TXT})
	}
	return v, nil
}

// budget refuses names under which an identity header could become too long,
// while they are being set: no release finds out (invariant 7).
func (s *Server) budget(tx store.Tx, domain, address string) error {
	o, err := s.o.Registry.Operator(tx)
	if err != nil {
		return err
	}
	return sign.CheckBudget(domain, address, o.Name, "")
}

// budgets is budget for every mailbox, asked when the operator is renamed.
func (s *Server) budgets(tx store.Tx) error {
	boxes, err := s.o.Registry.Mailboxes(tx)
	for _, m := range boxes {
		if err == nil {
			err = s.budget(tx, m.Address.Domain(), m.Address.String())
		}
	}
	return err
}
