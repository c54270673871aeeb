package daemon

import (
	"context"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/sign"
)

// newZones returns the records of the domains whose keys these are.
func newZones(identity *sign.Keyring, signing *dkim.Keyring, l zone.Lookup, s zone.Settings) *zone.Zones {
	return zone.New(zone.Options{Lookup: l, Settings: s,
		Identity: func(domain string) ([]zone.Record, error) {
			former, err := identity.FormerRecords(domain)
			if err != nil {
				return nil, err
			}
			var out []zone.Record
			for _, r := range former {
				out = append(out, zone.Record{Name: r.Name, Value: r.TXT, Former: true})
			}
			list, err := identity.Records(domain) // the current one is the last
			for i, r := range list {
				out = append(out, zone.Record{Name: r.Name, Value: r.TXT, Spare: i < len(list)-1})
			}
			return out, err
		},
		DKIM: func(domain string) ([]zone.Record, error) {
			list, err := signing.Records(domain)
			var out []zone.Record
			for _, r := range list {
				out = append(out, zone.Record{Name: r.Name, Value: r.TXT})
			}
			return out, err
		}})
}

func zoneSettings(c config.Config) zone.Settings {
	return zone.Settings{Hostname: c.SMTP.Hostname, SPF: c.DNS.SPF, MX: c.DNS.MX, Bounce: c.DNS.Bounce,
		Reports: c.DNS.Reports, PolicyMode: c.DNS.MTASTSMode, PolicyMaxAge: time.Duration(c.DNS.MTASTSMaxAge)}
}

// book keeps what the checks of the domains find.
type book struct {
	db   store.Store
	reg  *registry.Registry
	gate *gate.Gate
}

func (b book) Domains(ctx context.Context) (out []zone.Domain, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		out = nil
		all, err := b.reg.Domains(tx)
		for _, d := range all {
			out = append(out, zone.Domain{Name: d.Name, Challenge: d.Challenge, Internal: d.Internal,
				Verified: d.Verified(tx.Now()) && d.FailedAt.IsZero()})
		}
		return err
	})
	return out, err
}

// findings are what a registry keeps of an outcome.
var findings = map[zone.Outcome]registry.Finding{
	zone.Nothing: registry.FoundNothing, zone.Ours: registry.FoundOurs, zone.NotOurs: registry.FoundNotOurs,
}

func (b book) Note(ctx context.Context, d zone.Domain, r zone.Report) error {
	c := registry.DomainCheck{Challenge: d.Challenge, Finding: findings[r.Outcome]}
	for _, f := range r.Findings {
		c.Records = append(c.Records, registry.Standing{
			Purpose: string(f.Purpose), Name: f.Name, Status: string(f.Status)})
	}
	return b.gate.NoteCheck(ctx, d.Name, c)
}

// warnDomains says at the start which domains are not verified.
func (d *Daemon) warnDomains() {
	err := d.db.View(context.Background(), func(tx store.Tx) error {
		all, err := d.registry.Domains(tx)
		for _, dom := range all {
			switch {
			case !dom.MaySend(tx.Now()):
				d.o.Log.Warn("unverified", "domain", dom.Name)
			case dom.Assumed && !dom.Internal:
				d.o.Log.Warn("never verified", "domain", dom.Name, "until", dom.VerifiedUntil())
			}
		}
		return err
	})
	if err != nil {
		d.o.Log.Error("domains unread", "err", err)
	}
}
