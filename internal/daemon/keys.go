package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/clock"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/hsm"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/internal/rotation"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/sign"
)

// openKeys opens the keys of every domain, and records what became of them since
// the process before ended.
func (d *Daemon) openKeys(c *clock.Clock) (err error) {
	conf := d.o.Config
	if !slices.Contains(conf.DKIM.Algorithms, dkim.RSA) {
		d.o.Log.Warn("dkim.algorithms has no rsa")
	}
	o := dkim.Options{Algorithms: conf.DKIM.Algorithms}
	d.identity = sign.OpenKeys(conf.Data)
	if conf.Keys.PKCS11Module != "" {
		if d.token, err = openToken(conf.Keys); err != nil {
			return err
		}
		o.Vault = d.token
		d.identity.UseVault(d.token)
	}
	d.dkim = dkim.OpenKeys(conf.Data, o)
	if err := d.checkKeys(c.Now()); err != nil {
		return err
	}
	d.keys, err = rotation.New(rotation.Options{
		Store: d.db, Audit: d.audit, Registry: d.registry, Identity: d.identity, DKIM: d.dkim,
		Now: c.Now, Trusted: c.Trusted, Published: d.recordPublished,
		Every: time.Duration(conf.Keys.RotateEvery), Log: d.o.Log,
	})
	if err != nil {
		return err
	}
	return d.keys.Note(context.Background())
}

// openToken opens the PKCS #11 token of the configuration.
func openToken(c config.Keys) (*hsm.Token, error) {
	pin, _, err := secret.Read(c.PKCS11PINFile)
	if err != nil {
		return nil, fmt.Errorf("keys.pkcs11_pin_file: %w", err)
	}
	t, err := hsm.Open(hsm.Options{Module: c.PKCS11Module, Label: c.PKCS11Token,
		PIN: strings.TrimRight(string(pin), "\r\n")})
	if err != nil {
		return nil, fmt.Errorf("keys.pkcs11_module: %w", err)
	}
	return t, nil
}

// checkKeys refuses to start without the keys of a domain: its mail would wait
// for ever, and a new key in the place of a lost one would belie what the old
// one signed. Only a key of an algorithm that the configuration asks for now is made.
func (d *Daemon) checkKeys(now time.Time) error {
	var domains []registry.Domain
	err := d.db.View(context.Background(), func(tx store.Tx) (err error) {
		domains, err = d.registry.Domains(tx)
		return err
	})
	for _, dom := range domains {
		for _, check := range []func() error{
			func() error { return d.identity.Sweep(dom.Name) },
			func() error { return d.identity.Ready(dom.Name) },
			func() error { return d.dkim.Ensure(dom.Name, now) },
		} {
			if err == nil {
				err = check()
			}
		}
	}
	return err
}

// recordPublished asks the DNS for a record of a DKIM key. A name with several
// records has none that a verifier can use (RFC 6376, section 3.6.2.2). In dev
// mode there is no DNS of the domain, and nobody who would miss it.
func (d *Daemon) recordPublished(ctx context.Context, name, txt string) (bool, error) {
	if d.dev != nil {
		return true, nil
	}
	texts, err := d.resolver.TXT(ctx, name)
	if errors.Is(err, resolver.ErrNone) {
		return false, nil
	}
	plain := func(s string) string { return strings.Join(strings.Fields(s), "") }
	return err == nil && len(texts) == 1 && plain(texts[0]) == plain(txt), err
}
