package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Issuer is an issuer of tokens whose agents are known here.
type Issuer struct {
	Name   string `toml:"name"`
	Preset string `toml:"preset"`
	Issuer string `toml:"issuer"`

	DiscoveryURL string `toml:"discovery_url"`
	JWKSURL      string `toml:"jwks_url"`
	JWKSFile     string `toml:"jwks_file"`

	Audiences   []string `toml:"audiences"`
	Tenants     []string `toml:"tenants"`
	Algorithms  []string `toml:"algorithms"`
	Skew        Duration `toml:"skew"`
	KeysSurvive Duration `toml:"keys_survive"`

	ObjectClaim string `toml:"object_claim"`
	TenantClaim string `toml:"tenant_claim"`
	PersonClaim string `toml:"person_claim"`
	ScopeClaim  string `toml:"scope_claim"`

	Scopes    IssuerScopes `toml:"scopes"`
	Provision []Provision  `toml:"provision"`
	Login     IssuerLogin  `toml:"login"`
}

// IssuerScopes lists the values of a token that mean each scope.
type IssuerScopes struct {
	Read          []string `toml:"read"`
	Send          []string `toml:"send"`
	Oversight     []string `toml:"oversight"`
	OversightRead []string `toml:"oversight_read"`
	AuditRead     []string `toml:"audit_read"`
	Tighten       []string `toml:"tighten"`
}

func (s IssuerScopes) none() bool {
	return len(s.Read)+len(s.Send)+len(s.Oversight)+len(s.OversightRead)+len(s.AuditRead)+len(s.Tighten) == 0
}

// Provision says which agents are made with their first token.
type Provision struct {
	Tenant  string `toml:"tenant"`
	Role    string `toml:"role"`
	Address string `toml:"address"` // with ObjectPlaceholder
}

// The presets.
const (
	PresetEntra   = "entra"
	PresetGeneric = "generic"
)

// ObjectPlaceholder stands for the object id of an agent in Provision.Address.
const ObjectPlaceholder = "{object}"

// Algorithms lists what an issuer may sign with: the asymmetric algorithms of
// RFC 7518 and RFC 8037.
var Algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

const (
	maxSkew   = time.Minute
	maxValues = 64  // of a list of an issuer
	maxText   = 512 // octets of a value

	maxProvisionName = 27 // octets of an issuer's name; an agent's has a dash, a GUID, and 64 at most
)

var (
	issuerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	guid       = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	claimName  = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,128}$`)
	provisions = regexp.MustCompile(`^[a-z0-9._-]*\{object\}[a-z0-9._-]*@[a-z0-9.-]+$`)
)

// EntraIssuers returns the iss of a tenant's tokens, of version 2 and of version 1.
func EntraIssuers(tenant string) (v2, v1 string) {
	return "https://login.microsoftonline.com/" + tenant + "/v2.0", "https://sts.windows.net/" + tenant + "/"
}

// checkIssuers checks each table of the list by itself, then what they share.
func checkIssuers(c Config) *KeyError {
	names, taken := map[string]bool{}, map[string]bool{}
	for i, is := range c.Issuers {
		key := fmt.Sprintf("issuer[%d].", i)
		for _, check := range []func(Issuer) *KeyError{
			checkIssuerName, checkIssuerKeys, checkIssuerLists, checkIssuerClaims, checkIssuerScopes, checkProvision,
			checkLogin,
		} {
			if err := check(is); err != nil {
				return &KeyError{key + err.Key, err.Problem}
			}
		}
		if names[is.Name] {
			return &KeyError{key + "name", "another issuer has this name"}
		}
		names[is.Name] = true
		whose, list := "issuer", []string{is.Issuer}
		if is.Preset == PresetEntra {
			whose, list = "tenants", is.Tenants
		}
		for _, v := range list {
			iss := []string{v}
			if is.Preset == PresetEntra {
				v2, v1 := EntraIssuers(v)
				iss = []string{v2, v1}
			}
			for _, s := range iss {
				if taken[s] {
					return &KeyError{key + whose, "another issuer has " + strconv.Quote(v)}
				}
				taken[s] = true
			}
		}
	}
	return nil
}

func checkIssuerName(is Issuer) *KeyError {
	switch {
	case !issuerName.MatchString(is.Name):
		return &KeyError{"name", "required: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit"}
	case is.Preset != PresetEntra && is.Preset != PresetGeneric:
		return &KeyError{"preset", strconv.Quote(is.Preset) + " is not entra or generic"}
	case is.Preset == PresetEntra && is.Issuer != "":
		return &KeyError{"issuer", "leave it out with the preset entra: it follows from the tenants"}
	case is.Preset == PresetGeneric && (is.Issuer == "" || len(is.Issuer) > maxText):
		return &KeyError{"issuer", "required with the preset generic, of at most 512 octets"}
	case is.Skew > Duration(maxSkew):
		return &KeyError{"skew", "at most 60s"}
	}
	return nil
}

func checkIssuerKeys(is Issuer) *KeyError {
	given := 0
	for _, at := range []struct{ key, url string }{{"discovery_url", is.DiscoveryURL}, {"jwks_url", is.JWKSURL}} {
		if at.url == "" {
			continue
		}
		given++
		if problem := Fetchable(at.url); problem != "" {
			return &KeyError{at.key, problem}
		}
	}
	if is.JWKSFile != "" {
		given++
	}
	switch {
	case is.Preset == PresetEntra && is.DiscoveryURL != "":
		return &KeyError{"discovery_url", "leave it out with the preset entra: it follows from the tenants"}
	case is.Preset == PresetGeneric && given == 0:
		return &KeyError{"discovery_url", "required, or jwks_url, or jwks_file"}
	case given > 1:
		return &KeyError{"discovery_url", "only one of discovery_url, jwks_url and jwks_file"}
	}
	return nil
}

// Fetchable says what is wrong with a URL to fetch keys from, "" for nothing.
func Fetchable(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return "not a URL of a host, without a user and a fragment"
	case u.Scheme == "https":
		return ""
	case u.Scheme != "http" || !Loopback(u.Hostname()+":0"):
		return "must begin with https://; http:// only on loopback"
	}
	return ""
}

func checkIssuerLists(is Issuer) *KeyError {
	for _, l := range []struct {
		key  string
		list []string
	}{
		{"audiences", is.Audiences}, {"tenants", is.Tenants}, {"algorithms", is.Algorithms},
		{"scopes.read", is.Scopes.Read}, {"scopes.send", is.Scopes.Send},
		{"scopes.oversight", is.Scopes.Oversight}, {"scopes.oversight_read", is.Scopes.OversightRead},
		{"scopes.audit_read", is.Scopes.AuditRead}, {"scopes.tighten", is.Scopes.Tighten},
	} {
		if len(l.list) > maxValues {
			return &KeyError{l.key, fmt.Sprintf("more than %d values", maxValues)}
		}
		for i, v := range l.list {
			if v == "" || len(v) > maxText || strings.ContainsAny(v, " \t\r\n") || slices.Contains(l.list[:i], v) {
				return &KeyError{l.key, strconv.Quote(v) + " is empty, too long, has blanks or stands twice"}
			}
		}
	}
	if len(is.Audiences) == 0 {
		return &KeyError{"audiences", "required: the aud that tokens for this server have"}
	}
	if len(is.Algorithms) == 0 {
		return &KeyError{"algorithms", "required"}
	}
	for _, a := range is.Algorithms {
		if !slices.Contains(Algorithms, a) {
			return &KeyError{"algorithms", strconv.Quote(a) + " is none of " + strings.Join(Algorithms, ", ")}
		}
	}
	return checkTenants(is)
}

func checkTenants(is Issuer) *KeyError {
	switch {
	case is.Preset == PresetEntra && len(is.Tenants) == 0:
		return &KeyError{"tenants", "required with the preset entra: the GUID of each tenant"}
	case is.Preset == PresetGeneric && (len(is.Tenants) > 0) != (is.TenantClaim != ""):
		return &KeyError{"tenants", "tenants and tenant_claim belong together"}
	}
	for _, t := range is.Tenants {
		if is.Preset == PresetEntra && !guid.MatchString(t) {
			return &KeyError{"tenants", strconv.Quote(t) + " is not the GUID of a tenant in lower case; " +
				"common, organizations and consumers are not taken"}
		}
	}
	return nil
}

func checkIssuerClaims(is Issuer) *KeyError {
	standard := oneOfEach().Issuers[0]
	for _, c := range []struct {
		key, name, standard string
		optional            bool
	}{
		{"object_claim", is.ObjectClaim, standard.ObjectClaim, false},
		{"tenant_claim", is.TenantClaim, standard.TenantClaim, true},
		{"person_claim", is.PersonClaim, standard.PersonClaim, false},
		{"scope_claim", is.ScopeClaim, standard.ScopeClaim, false},
	} {
		switch {
		case is.Preset == PresetEntra && c.name != c.standard:
			return &KeyError{c.key, "leave it out with the preset entra, whose claims are known"}
		case !claimName.MatchString(c.name) && (c.name != "" || !c.optional):
			return &KeyError{c.key, strconv.Quote(c.name) + " is not the name of a claim"}
		}
	}
	if is.ObjectClaim == "sub" {
		return &KeyError{"object_claim", "sub cannot name an agent: it may differ for each application, and is a " +
			"person in tokens on behalf of one; name a claim with the id of the client"}
	}
	if is.PersonClaim == is.ObjectClaim {
		return &KeyError{"person_claim", "must be another claim than object_claim"}
	}
	return nil
}

// checkIssuerScopes refuses a mapping that gives nothing, and one that gives the
// right to send for one value with that to decide or to read the audit log.
func checkIssuerScopes(is Issuer) *KeyError {
	s := is.Scopes
	if s.none() && is.Login.ClientID == "" { // people may sign in there, and its tokens mean nothing
		return &KeyError{"scopes", "required: which scopes or roles of a token mean what here"}
	}
	for _, v := range s.Send {
		if slices.Contains(s.Oversight, v) {
			return &KeyError{"scopes.oversight", strconv.Quote(v) + " would mean both send and oversight"}
		}
		if slices.Contains(s.AuditRead, v) {
			return &KeyError{"scopes.audit_read", strconv.Quote(v) + " would mean both send and audit_read"}
		}
	}
	return nil
}

func checkProvision(is Issuer) *KeyError {
	for i, p := range is.Provision {
		key := fmt.Sprintf("provision[%d].", i)
		switch {
		case is.Preset != PresetEntra:
			return &KeyError{key + "tenant", "only with the preset entra"}
		case len(is.Name) > maxProvisionName:
			return &KeyError{"name", fmt.Sprintf("at most %d octets with provisioning: agents are named after it",
				maxProvisionName)}
		case !slices.Contains(is.Tenants, p.Tenant):
			return &KeyError{key + "tenant", "required: one of tenants"}
		case p.Role == "" || len(p.Role) > maxText || strings.ContainsAny(p.Role, " \t\r\n"):
			return &KeyError{key + "role", "required: the value of an application role"}
		case !provisions.MatchString(p.Address):
			return &KeyError{key + "address", "required: an address in lower case with {object} before the @"}
		}
	}
	return nil
}
