package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/sign"
)

// newZones returns the records of the domains whose keys these are.
func newZones(identity *sign.Keyring, signing *dkim.Keyring, l zone.Lookup, s zone.Settings) *zone.Zones {
	return zone.New(zone.Options{Lookup: l, Settings: s,
		Identity: func(domain string) ([]zone.Record, error) {
			list, err := identity.Records(domain) // the current one is the last
			var out []zone.Record
			for i, r := range list {
				out = append(out, zone.Record{Name: r.Name, Value: r.TXT, Spare: i < len(list)-1})
			}
			if err == nil {
				out = append(formerKeys(identity, domain), out...)
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

// formerKeys returns the records of retired identity keys, which may stay: old mail
// is verified with them. That of a revoked key must go.
func formerKeys(identity *sign.Keyring, domain string) (out []zone.Record) {
	b, err := identity.Document(domain)
	var doc struct {
		Keys []struct{ KID, X, Y, State string } `json:"keys"`
	}
	if err != nil || json.Unmarshal(b, &doc) != nil {
		return nil
	}
	for _, k := range doc.Keys {
		x, err1 := base64.RawURLEncoding.DecodeString(k.X)
		y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
		if k.State != string(keyset.Retired) || err1 != nil || err2 != nil {
			continue
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			continue
		}
		if der, err := x509.MarshalPKIXPublicKey(key); err == nil {
			out = append(out, zone.Record{Name: sign.RecordName(domain), Former: true,
				Value: "v=MMID1; kid=" + k.KID + "; alg=ES256; p=" + base64.StdEncoding.EncodeToString(der)})
		}
	}
	return out
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
				d.o.Log.Warn("never verified", "domain", dom.Name, "until", dom.VerifiedAt.Add(registry.VerifiedLife))
			}
		}
		return err
	})
	if err != nil {
		d.o.Log.Error("domains unread", "err", err)
	}
}
