package daemon

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/oauth"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

const tenant = "aaaaaaaa-1111-2222-3333-444444444444"

// issuerOf returns an issuer and the configuration that knows it, with its keys in a file.
func issuerOf(t *testing.T) (*mailtest.Issuer, config.Config) {
	t.Helper()
	is := mailtest.NewIssuer(t)
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, is.JWKS(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("test", `
[smtp]
submission = ''
submissions = ''
[[issuer]]
name = 'entra'
preset = 'entra'
audiences = ['api://multimail']
tenants = ['`+tenant+`']
jwks_file = '`+path+`'
[issuer.scopes]
send = ['Mail.Send']
read = ['Mail.Read']
oversight = ['Oversight.Decide']
oversight_read = ['Oversight.Read']
audit_read = ['AuditLog.Read']
tighten = ['Policy.Tighten']
`)
	if err != nil {
		t.Fatal(err)
	}
	return is, c
}

func TestTheRegistrySeesWhatATokenSays(t *testing.T) {
	is, conf := issuerOf(t)
	d := &Daemon{o: Options{Config: conf, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}}
	v, err := d.verifier(time.Now, func() bool { return true }, metrics.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.tokens.Close)
	facts := mailtest.Entra{Tenant: tenant, Audience: "api://multimail", Agent: strings.Replace(tenant, "a", "b", 1),
		User: strings.Replace(tenant, "a", "c", 1), Blueprint: strings.Replace(tenant, "a", "d", 1), Now: time.Now(),
		Scopes: []string{"Mail.Send", "Mail.Read", "Oversight.Read"}}
	sends := []registry.Scope{registry.ScopeRead, registry.ScopeSend, registry.ScopeOversightRead}
	decides := []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead}
	collector := facts
	collector.Scopes = []string{"AuditLog.Read", "Policy.Tighten"}
	watches := []registry.Scope{registry.ScopeAuditRead, registry.ScopeTighten}
	person := facts
	person.Scopes = []string{"Oversight.Decide", "Oversight.Read"}
	for _, c := range []struct {
		claims map[string]any
		shape  registry.TokenShape
		object string
		scopes []registry.Scope
	}{
		{facts.Autonomous(), registry.ShapeAutonomous, facts.Agent, sends},
		{facts.OnBehalf(), registry.ShapeDelegated, facts.User, sends},
		{facts.Account(), registry.ShapeAccount, facts.User, sends},
		{person.Person(), registry.ShapePerson, facts.User, decides},
		{collector.Autonomous(), registry.ShapeAutonomous, facts.Agent, watches},
	} {
		got, err := v.Verify(t.Context(), is.Token(t, "rsa", c.claims))
		if err != nil || got.Shape != c.shape || got.Object != c.object || !slices.Equal(got.Scopes, c.scopes) ||
			got.Issuer != "entra" || got.Tenant != tenant || got.Client != facts.Agent || len(got.ID) != 22 ||
			!got.Expires.After(time.Now()) || (got.Blueprint == facts.Blueprint) == (c.shape == registry.ShapePerson) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	var refusal *oauth.Refusal
	_, err = v.Verify(t.Context(), "a.b.c")
	if !errors.Is(err, registry.ErrCredentials) || !errors.Is(err, mail.ErrUnauthorised) || !errors.As(err, &refusal) ||
		mail.WordOf(err) != mail.ErrUnauthorised.String() {
		t.Errorf("refused with %v", err)
	}
}

func TestWithoutAnIssuerThereIsNoVerifier(t *testing.T) {
	v, err := (&Daemon{}).verifier(time.Now, nil, nil)
	if v != nil || err != nil { // a nil of another type would be taken for one
		t.Errorf("%v, %v", v, err)
	}
}

func TestARuleForADomainThatIsNotHereIsReported(t *testing.T) {
	_, conf := issuerOf(t)
	var log strings.Builder
	d, err := NewDev(DevOptions{Data: t.TempDir(), FreePorts: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	d.o.Config.Issuers = conf.Issuers
	d.o.Config.Issuers[0].Provision = []config.Provision{{Address: "a{object}@elsewhere.test"},
		{Address: "{object}@" + devDomain}}
	if err := d.warnOfProvision(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "no agent can be made"); n != 1 ||
		!strings.Contains(log.String(), "elsewhere.test") {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

// A client is told what to ask the issuer for, where there is one answer.
func TestTheScopeOfARefusedToken(t *testing.T) {
	entra := config.Issuer{Preset: "entra", Audiences: []string{"api://multimail", "x"},
		Scopes: config.IssuerScopes{Send: []string{"Mail.Send"}}}
	generic := config.Issuer{Preset: "generic", Audiences: []string{"a"},
		Scopes: config.IssuerScopes{Send: []string{"mail:send", "y"}}}
	for _, c := range []struct {
		issuers []config.Issuer
		want    string
	}{
		{nil, ""},
		{[]config.Issuer{entra}, "api://multimail/.default"},
		{[]config.Issuer{generic}, "mail:send"},
		{[]config.Issuer{{Preset: "generic"}}, ""},
		{[]config.Issuer{entra, generic}, ""},
	} {
		if got := tokenScope(c.issuers); got != c.want {
			t.Errorf("%d issuers: %q, want %q", len(c.issuers), got, c.want)
		}
	}
}
