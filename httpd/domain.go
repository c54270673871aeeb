package httpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/zone"
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
		list.Domains = append(list.Domains, s.domainOf(d))
	}
	return list, err
}

func (s *Server) domainOf(d registry.Domain) api.Domain {
	now := s.o.Now()
	out := api.Domain{ID: d.Name, Name: d.Name, Domain: d.Name, Status: "unverified",
		Verified: d.Verified(now), Internal: d.Internal, CreatedAt: d.CreatedAt, CheckedAt: d.CheckedAt,
		VerifiedAt: d.VerifiedAt, VerifiedUntil: d.VerifiedUntil(), FailedAt: d.FailedAt}
	if out.BounceDomain = s.o.Gate.BounceDomain(d.Name); out.BounceDomain != "" {
		out.ReturnPath = d.TakesBounces()
	}
	if d.Assumed {
		out.VerifiedAt = time.Time{}
	}
	switch {
	case d.Internal:
		out.Status = "internal"
	case out.Verified:
		out.Status = "verified"
	case d.MaySend(now):
		out.Status = "assumed"
	}
	return out
}

// addDomain makes the keys first: no domain is ever here without them, and no
// mail waits at its release for a key to be made (invariant 7).
func (s *Server) addDomain(ctx context.Context, c caller, in api.NewDomain) (out api.Domain, _ error) {
	if in.Name != "" && in.Domain != "" && in.Name != in.Domain {
		return out, invalid("domain and name differ; give one of them")
	}
	name, err := mail.ParseDomain(cmp.Or(in.Name, in.Domain))
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
	if err := s.o.Keys.Note(ctx); err != nil { // the keys are in the log before they sign
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
	d, err := s.readDomain(ctx, in.Name)
	if err != nil {
		return out, err
	}
	return s.withRecords(d)
}

// withRecords shows a domain with all that its DNS must say.
func (s *Server) withRecords(d registry.Domain) (out api.Domain, _ error) {
	v := s.domainOf(d)
	records, err := s.o.Zones.Records(d.Name, d.Challenge)
	if err != nil {
		return out, fmt.Errorf("httpd: records: %w", err)
	}
	for _, r := range records {
		v.DNS = append(v.DNS, recordOf(r))
	}
	return v, nil
}

func recordOf(r zone.Record) api.Record {
	return api.Record{Purpose: string(r.Purpose), Type: r.Type, Name: r.Name, Value: r.Value}
}

// verifyDomain asks the DNS now. What it finds counts as what the schedule finds.
func (s *Server) verifyDomain(ctx context.Context, _ caller, in api.NameRef) (out api.DomainCheck, err error) {
	d, err := s.readDomain(ctx, in.Name)
	if err != nil {
		return out, err
	}
	report, err := s.o.Zones.Verify(ctx, d.Name)
	if err != nil {
		return out, err
	}
	if d, err = s.readDomain(ctx, d.Name); err != nil {
		return out, err
	}
	out = api.DomainCheck{Domain: s.domainOf(d), Records: []api.RecordCheck{}}
	for _, f := range report.Findings {
		out.Records = append(out.Records, api.RecordCheck{
			Record: recordOf(f.Record), Status: string(f.Status), Found: f.Found, Do: f.Do})
	}
	out.DKIM = published(report.Findings, zone.DKIM)
	out.SPF, out.MX = published(report.Findings, zone.SPF), published(report.Findings, zone.MX)
	return out, nil
}

// published reports whether there are records for a purpose, and the DNS has all of them.
func published(all []zone.Finding, purpose zone.Purpose) (some bool) {
	for _, f := range all {
		if f.Purpose != purpose || f.Spare || f.Former {
			continue
		}
		if some = true; f.Status != zone.Present {
			return false
		}
	}
	return some
}

func (s *Server) readDomain(ctx context.Context, name string) (d registry.Domain, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		d, err = s.o.Registry.Domain(tx, name)
		return err
	})
	return d, err
}

func (s *Server) pinDomain(ctx context.Context, c caller, in api.NameRef) (api.Domain, error) {
	d, err := s.o.Gate.PinDomain(ctx, c.Principal, in.Name)
	return s.domainOf(d), err
}

func (s *Server) unpinDomain(ctx context.Context, c caller, in api.NameRef) (api.Domain, error) {
	d, err := s.o.Gate.UnpinDomain(ctx, c.Principal, in.Name)
	return s.domainOf(d), err
}

func (s *Server) removeDomain(ctx context.Context, c caller, in api.NameRef) (out api.Done, _ error) {
	if err := s.o.Gate.RemoveDomain(ctx, c.Principal, in.Name); err != nil {
		return out, err
	}
	return api.Done{Status: "removed"}, nil
}

// mtaSTS serves the policy for the sending domains, and to nobody who asks for
// another (RFC 8461, 3.3).
func (s *Server) mtaSTS(ctx context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	policy := s.o.Zones.Policy()
	name, ok := strings.CutPrefix(strings.ToLower(hostname(r.Host)), "mta-sts.")
	if !ok || policy == "" {
		return missing("MTA-STS policy for this host name")
	}
	if _, err := s.readDomain(ctx, name); err != nil {
		return missing("MTA-STS policy for this host name")
	}
	return publish(w, r, []byte(policy), "text/plain", 0)
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

// domainWaits returns what says why a mail that is held or ready does not leave,
// whoever approves it: its domain is not verified.
func (s *Server) domainWaits(ctx context.Context) (func(*mail.Mail) string, error) {
	stopped := map[string]bool{}
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		clear(stopped)
		all, err := s.o.Registry.Domains(tx)
		for _, d := range all {
			stopped[d.Name] = !d.MaySend(tx.Now())
		}
		return err
	})
	return func(m *mail.Mail) string {
		domain := m.Mailbox.Domain()
		if m.Direction == mail.Outgoing && (m.State == mail.Held || m.State == mail.Ready) && stopped[domain] {
			return "the domain " + domain + " is not verified"
		}
		return ""
	}, err
}

// doctor examines the daemon, which knows what its parts are.
func (s *Server) doctor(ctx context.Context, _ caller, _ api.None) (api.Checks, error) {
	out := api.Checks{Checks: []api.Check{}}
	if s.o.Doctor != nil {
		out.Checks = append(out.Checks, s.o.Doctor(ctx)...)
	}
	return out, nil
}
