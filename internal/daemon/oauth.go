package daemon

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/hook"
	"github.com/multimail/multimail/internal/oauth"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign/fetch"
)

// makeOAuth makes what gives out tokens to clients, nil if there is nothing, and what
// verifies ours beside those of issuers.
func (d *Daemon) makeOAuth(
	issuers registry.TokenVerifier, now func() time.Time,
) (*httpd.OAuth, registry.TokenVerifier, error) {
	conf := d.o.Config
	out := &httpd.OAuth{Origin: conf.HTTP.PublicURL, Issuer: conf.HTTP.PublicURL}
	switch conf.OAuth.Server {
	case "":
		return nil, issuers, nil
	case config.OAuthEmbedded:
	default:
		for _, is := range conf.Issuers {
			if is.Name == conf.OAuth.Server {
				external(out, is)
			}
		}
		return out, issuers, nil
	}
	inside, err := hook.ParseTargets(conf.OAuth.AllowTargets)
	if err != nil {
		return nil, nil, fmt.Errorf("oauth.allow_targets: %w", err)
	}
	o := authserver.Options{Origin: conf.HTTP.PublicURL, Store: d.db, Registry: d.registry,
		Hosts: conf.OAuth.ClientHosts, Access: time.Duration(conf.OAuth.AccessLifetime),
		Refresh: time.Duration(conf.OAuth.RefreshLifetime), Log: d.o.Log,
		Fetch: fetch.New(d.resolver).Inside(inside.Names).JSON, Inside: inside.Names}
	for _, g := range conf.OAuth.Grants {
		rule, err := ruleOf(g)
		if err != nil {
			return nil, nil, err
		}
		o.Rules = append(o.Rules, rule)
	}
	if d.granter, err = authserver.New(o); err != nil {
		return nil, nil, err
	}
	out.Server = d.granter
	for _, is := range conf.Issuers {
		if is.Login.ClientID == "" {
			continue
		}
		l, err := newLogin(is, conf.HTTP.PublicURL, now)
		if err != nil {
			return nil, nil, err
		}
		out.Logins = append(out.Logins, l)
	}
	return out, ours{d.granter, issuers}, prepare(context.Background(), d.db, d.granter.Prepare)
}

// external has clients get their tokens from an issuer, in its words.
func external(out *httpd.OAuth, is config.Issuer) {
	out.Issuer, out.Scopes = is.Issuer, map[string]string{}
	if is.Preset == config.PresetEntra {
		out.Issuer, _ = config.EntraIssuers(is.Tenants[0])
	}
	for ours, theirs := range map[string][]string{"read": is.Scopes.Read, "send": is.Scopes.Send,
		"oversight": is.Scopes.Oversight, "oversight_read": is.Scopes.OversightRead,
		"audit_read": is.Scopes.AuditRead, "tighten": is.Scopes.Tighten} {
		if len(theirs) > 0 {
			out.Scopes[ours] = theirs[0]
			if is.Preset == config.PresetEntra { // a scope of Entra names the resource too
				out.Scopes[ours] = is.Audiences[0] + "/" + theirs[0]
			}
		}
	}
}

func ruleOf(g config.OAuthGrant) (r authserver.Rule, err error) {
	r = authserver.Rule{Issuer: g.Issuer, Tenant: g.Tenant, Person: g.Person, Role: g.Role, Agents: g.Agents}
	for _, s := range g.Scopes {
		r.Scopes = append(r.Scopes, registry.Scope(s))
	}
	for _, m := range g.Mailboxes {
		a, err := mail.ParseAddress(m)
		if err != nil {
			return r, fmt.Errorf("oauth.grant.mailboxes: %w", err)
		}
		r.Mailboxes = append(r.Mailboxes, a)
	}
	return r, nil
}

// login is a login in the words of httpd.
type login struct{ *oauth.Login }

func newLogin(is config.Issuer, origin string, now func() time.Time) (login, error) {
	password := ""
	if is.Login.ClientSecretFile != "" {
		b, _, err := secret.Read(is.Login.ClientSecretFile)
		if err != nil {
			return login{}, fmt.Errorf("issuer.login.client_secret_file: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	l, err := oauth.NewLogin(is, password, origin+httpd.CallbackPath, now)
	return login{l}, err
}

// Finish implements httpd.Login.
func (l login) Finish(
	ctx context.Context, answer url.Values, nonce, verifier string,
) (mail.Person, []string, string, error) {
	who, err := l.Login.Finish(ctx, answer, nonce, verifier)
	return who.Person, who.Roles, who.Name, err
}

// ours verifies our own tokens, and has others those of issuers.
type ours struct {
	server *authserver.Server
	others registry.TokenVerifier // nil: no issuer is configured
}

// Verify implements registry.TokenVerifier.
func (o ours) Verify(ctx context.Context, raw string) (registry.Token, error) {
	if o.server.Issued(raw) || o.others == nil {
		a, err := o.server.Read(ctx, raw)
		return a.Token, err
	}
	return o.others.Verify(ctx, raw)
}

// sweepOAuth forgets codes and tokens that are over, until ctx ends.
func (d *Daemon) sweepOAuth(ctx context.Context) {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		err := d.db.Update(ctx, func(tx store.Tx) error { return d.granter.Sweep(tx, 500) })
		if err != nil && ctx.Err() == nil {
			d.o.Log.Error("oauth sweep", "err", err)
		}
	}
}
