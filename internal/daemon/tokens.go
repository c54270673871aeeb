package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/oauth"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// tokens is the verifier of tokens, in the words of the registry.
type tokens struct{ *oauth.Verifier }

// Verify returns what an accepted token says. A refused one is ErrCredentials too.
func (v tokens) Verify(ctx context.Context, raw string) (registry.Token, error) {
	t, err := v.Verifier.Verify(ctx, raw)
	if err != nil {
		var public *mail.Error
		if errors.Is(err, mail.ErrUnauthorised) && errors.As(err, &public) {
			err = public.Because(errors.Join(registry.ErrCredentials, public.Err))
		}
		return registry.Token{}, err
	}
	out := registry.Token{Issuer: t.Issuer, Tenant: t.Tenant, Shape: registry.TokenShape(t.Shape), Object: t.Object,
		Client: t.Client, Blueprint: t.Blueprint, Expires: t.Expires, ID: t.ID, Mailbox: t.Mailbox}
	for _, s := range t.Scopes {
		out.Scopes = append(out.Scopes, registry.Scope(s))
	}
	return out, nil
}

// verifier returns what verifies the tokens of the configured issuers, nil if there
// is none: no token is accepted then.
func (d *Daemon) verifier(
	now func() time.Time, trusted func() bool, m *metrics.Metrics,
) (registry.TokenVerifier, error) {
	if len(d.o.Config.Issuers) == 0 {
		return nil, nil
	}
	v, err := oauth.New(oauth.Options{Issuers: d.o.Config.Issuers, Now: now, Trusted: trusted, Log: d.o.Log,
		Count: func(result string) { m.Tokens.WithLabelValues(result).Inc() }})
	if err != nil {
		return nil, err
	}
	d.tokens = v
	return tokens{v}, nil
}

// warnOfProvision says which agents could not be made: their tokens would be refused
// without a word of why.
func (d *Daemon) warnOfProvision() error {
	return d.db.View(context.Background(), func(tx store.Tx) error {
		for _, is := range d.o.Config.Issuers {
			for _, p := range is.Provision {
				_, domain, _ := strings.Cut(p.Address, "@")
				_, err := d.registry.Domain(tx, domain)
				if errors.Is(err, registry.ErrNotFound) {
					d.o.Log.Warn("no agent can be made: its domain is not here", "issuer", is.Name, "domain", domain)
				} else if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// tokenScope returns the scope that a client asks the one issuer for, "" when there
// are several: which of them the client has is not known.
func tokenScope(issuers []config.Issuer) string {
	if len(issuers) != 1 {
		return ""
	}
	switch is := issuers[0]; {
	case is.Preset == config.PresetEntra && len(is.Audiences) > 0:
		return is.Audiences[0] + "/.default"
	case is.Preset != config.PresetEntra && len(is.Scopes.Send) > 0:
		return is.Scopes.Send[0]
	}
	return ""
}
