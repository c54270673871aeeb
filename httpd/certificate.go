package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

func (s *Server) listCertificates(ctx context.Context, _ caller, _ api.None) (api.Certificates, error) {
	var all []registry.Certificate
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Certificates(tx)
		return err
	})
	list := api.Certificates{Certificates: []api.Certificate{}}
	for _, c := range all {
		list.Certificates = append(list.Certificates, certificateOf(c))
	}
	return list, err
}

func certificateOf(c registry.Certificate) api.Certificate {
	v := api.Certificate{ID: c.ID, Agent: c.Agent, SAN: c.SAN, IsActive: c.RevokedAt.IsZero(),
		CreatedAt: c.CreatedAt, CreatedBy: c.CreatedBy, RevokedAt: c.RevokedAt}
	if c.SAN == "" {
		v.Pin = c.Pin.String()
	}
	return v
}

func (s *Server) addCertificate(ctx context.Context, c caller, in api.NewCertificate) (out api.Certificate, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		added, err := s.o.Registry.AddCertificate(tx, c.Principal,
			registry.CertificateRequest{Agent: in.Name, Pin: in.Pin, SAN: in.SAN})
		out = certificateOf(added)
		return err
	})
	return out, err
}

// revokeCertificate ends a certificate, and its sessions at their next mail.
func (s *Server) revokeCertificate(ctx context.Context, c caller, in api.CertificateRef) (out api.Done, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		return s.o.Registry.RevokeCertificate(tx, c.Principal, in.ID)
	})
	if err != nil {
		return out, err
	}
	return api.Done{Status: "revoked"}, nil
}
