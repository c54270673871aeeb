package oauth

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/config"
)

// issuer is one [[issuer]] of the configuration.
type issuer struct {
	conf    config.Issuer
	mapping map[Scope][]string
	shape   func(*attempt) error
}

// origin is an exact value of iss.
type origin struct {
	issuer  *issuer
	keys    *keys
	tenant  string // of entra
	version int    // of entra's tokens: 1 or 2
}

// source is where an issuer's keys come from.
type source struct {
	name      string // of the issuer, for the log
	url       string // of a key set, or of the OpenID configuration that names one
	file      string // in place of url
	discovers string // the issuer that the OpenID configuration must name; "": url is that of a key set
	survive   time.Duration
	now       func() time.Time
	log       *slog.Logger
	transport http.RoundTripper
}

func newIssuer(c config.Issuer) *issuer {
	is := &issuer{conf: c, shape: shapeGeneric, mapping: map[Scope][]string{
		ScopeRead: c.Scopes.Read, ScopeSend: c.Scopes.Send,
		ScopeOversight: c.Scopes.Oversight, ScopeOversightRead: c.Scopes.OversightRead,
		ScopeAuditRead: c.Scopes.AuditRead, ScopeTighten: c.Scopes.Tighten,
	}}
	if c.Preset == config.PresetEntra {
		is.shape = shapeEntra
	}
	return is
}

func (is *issuer) entra() bool { return is.conf.Preset == config.PresetEntra }

// audienceLists reports whether aud may be a list. Entra's is a text.
func (is *issuer) audienceLists() bool { return !is.entra() }

// tenants returns the claim that names the tenant, "" for none, and what it may
// say in a token of this origin.
func (is *issuer) tenants(o *origin) (claim string, allowed []string) {
	if is.entra() {
		return "tid", []string{o.tenant}
	}
	return is.conf.TenantClaim, is.conf.Tenants
}

// addOrigins adds every iss of the issuer.
func (v *Verifier) addOrigins(is *issuer, common source) error {
	c := is.conf
	common.name, common.survive = c.Name, time.Duration(c.KeysSurvive)
	common.url, common.file = c.JWKSURL, c.JWKSFile
	if !is.entra() {
		if c.DiscoveryURL != "" {
			common.url, common.discovers = c.DiscoveryURL, c.Issuer
		}
		k, err := v.open(common)
		v.origins[c.Issuer] = &origin{issuer: is, keys: k}
		return err
	}
	var shared *keys
	for _, tenant := range c.Tenants {
		k := shared
		v2, v1 := config.EntraIssuers(tenant)
		if k == nil {
			from := common
			if from.url == "" && from.file == "" {
				from.url, from.discovers = v2+"/.well-known/openid-configuration", v2
			}
			var err error
			if k, err = v.open(from); err != nil {
				return err
			}
			if from.discovers == "" {
				shared = k
			}
		}
		v.origins[v2] = &origin{is, k, tenant, 2}
		v.origins[v1] = &origin{is, k, tenant, 1}
	}
	return nil
}

// mailbox returns the address of the mailbox to make for an agent that is not known
// yet, "" if no rule names its tenant and one of its roles.
func (a *attempt) mailbox() string {
	if a.token.Shape != ShapeAutonomous {
		return ""
	}
	for _, p := range a.origin.issuer.conf.Provision {
		if p.Tenant == a.token.Tenant && slices.Contains(a.roles, p.Role) {
			return strings.ReplaceAll(p.Address, config.ObjectPlaceholder, a.token.Object)
		}
	}
	return ""
}
