package daemon

import (
	"context"
	"net/netip"
	"time"

	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/origin"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/sign/fetch"
	"github.com/multimail/multimail/smtpd"
)

// identityTime bounds how long a mail waits for the key document of another domain.
const identityTime = 2 * time.Second

// inspector judges who sent a mail that comes in.
type inspector struct{ *origin.Checker }

// makeInspector makes the inspector of the inbound doors.
func (d *Daemon) makeInspector(keys *fetch.Cache, m *metrics.Metrics) (inspector, error) {
	in := d.o.Config.Inbound
	var names origin.DNS = d.resolver
	if d.dev != nil && len(d.o.Config.DNS.Resolver) == 0 {
		names = noDNS{}
	}
	c, err := origin.New(origin.Options{
		DNS: names, Host: d.o.Config.InboundHostname(), TrustedSealers: in.TrustedSealers,
		Policy:   origin.Policy{Reject: in.DMARC.Reject, Quarantine: in.DMARC.Quarantine, TempError: in.DMARC.TempError},
		Identity: identity(d.ownDocument, keys.Document),
		Count:    func(method, result string) { m.Origins.WithLabelValues(method, result).Inc() },
	})
	return inspector{c}, err
}

// Inspect implements smtpd.Inspector. The address of a client is the sender's only where
// nobody stands between them.
func (i inspector) Inspect(ctx context.Context, t smtpd.Transaction) (smtpd.Inspected, error) {
	m := origin.Mail{Helo: t.Helo, From: t.From, Raw: t.Raw}
	switch {
	case t.Hop != nil:
		m.HopID, m.HopNoID = t.Hop.AuthServID, t.Hop.NoAuthServID
	case t.Door == smtpd.DoorInbound:
		m.Remote = t.Remote
	}
	f, err := i.Check(ctx, m)
	return smtpd.Inspected{
		Raw: f.Raw, Prefix: f.Stamp, Arrival: mail.Arrival{Auth: f.Auth, Warnings: f.Warnings},
	}, err
}

// document fetches the key document of a domain that should name kid.
type document func(ctx context.Context, domain, kid string) ([]byte, error)

// ownDocument returns the key document of a domain of this installation, nil for any
// other.
func (d *Daemon) ownDocument(ctx context.Context, domain, _ string) (doc []byte, err error) {
	if d.db.View(ctx, func(tx store.Tx) error {
		_, err := d.registry.Domain(tx, domain)
		return err
	}) == nil {
		return d.identity.Document(domain)
	}
	return nil, nil
}

// identity checks the identity header of another installation, with the documents of
// own domains and of others.
func identity(own, others document) origin.Identity {
	return func(ctx context.Context, raw []byte, domain string, txt origin.TXT) mail.Check {
		ctx, cancel := context.WithTimeout(ctx, identityTime)
		defer cancel()
		v := sign.Verify(raw, sign.Lookup{
			Document: func(_, kid string) ([]byte, error) {
				if doc, err := own(ctx, domain, kid); doc != nil || err != nil {
					return doc, err
				}
				return others(ctx, domain, kid)
			},
			TXT: func(name string) ([]string, error) {
				texts, err := txt(name)
				return texts, dnsError(name, err)
			},
			ReceivedAt: time.Now(),
		})
		return identityCheck(v)
	}
}

// identityCheck puts a verification into the words of RFC 8601.
func identityCheck(v sign.Verification) mail.Check {
	switch {
	case v.Holds():
		return mail.Check{Result: "pass", Detail: v.Status}
	case v.Err != nil:
		return mail.Check{Result: "temperror", Detail: "the keys of the domain could not be looked up"}
	case v.Status == sign.None:
		return mail.Check{Result: "none"}
	}
	for _, c := range v.Checks {
		if !c.OK {
			return mail.Check{Result: "fail", Detail: v.Status + ": " + c.Name}
		}
	}
	return mail.Check{Result: "fail", Detail: v.Status}
}

// noDNS has no records: dev mode asks nobody.
type noDNS struct{}

// TXT implements origin.DNS.
func (noDNS) TXT(context.Context, string) ([]string, error) { return nil, resolver.ErrNone }

// MX implements origin.DNS.
func (noDNS) MX(context.Context, string) ([]resolver.MX, error) { return nil, resolver.ErrNone }

// A implements origin.DNS.
func (noDNS) A(context.Context, string) ([]netip.Addr, error) { return nil, resolver.ErrNone }

// AAAA implements origin.DNS.
func (noDNS) AAAA(context.Context, string) ([]netip.Addr, error) { return nil, resolver.ErrNone }

// PTR implements origin.DNS.
func (noDNS) PTR(context.Context, netip.Addr) ([]string, error) { return nil, resolver.ErrNone }
