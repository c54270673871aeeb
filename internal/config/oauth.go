package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/redirect"
)

// OAuth is how clients come by tokens of agents.
type OAuth struct {
	Server          string       `toml:"server"`
	ClientHosts     []string     `toml:"client_hosts"`
	AllowTargets    []string     `toml:"allow_targets"`
	AccessLifetime  Duration     `toml:"access_lifetime"`
	RefreshLifetime Duration     `toml:"refresh_lifetime"`
	Grants          []OAuthGrant `toml:"grant"`
}

// OAuthGrant lets people of an issuer grant the rights of agents.
type OAuthGrant struct {
	Issuer    string   `toml:"issuer"`
	Tenant    string   `toml:"tenant"`
	Person    string   `toml:"person"`
	Role      string   `toml:"role"`
	Agents    []string `toml:"agents"`
	Mailboxes []string `toml:"mailboxes"`
	Scopes    []string `toml:"scopes"`
}

// IssuerLogin is how people sign in at an issuer.
type IssuerLogin struct {
	ClientID         string `toml:"client_id"`
	ClientSecretFile string `toml:"client_secret_file"`
	Tenant           string `toml:"tenant"`
}

// OAuthEmbedded is the authorization server of this program.
const OAuthEmbedded = "embedded"

// oauthSettings are the keys of OAuth.
var oauthSettings = []Setting{
	{"oauth.server", "embedded or issuer", `""`,
		"Where MCP clients get tokens. embedded: here, at the address of http.public_url. The name of an issuer: " +
			"there, for clients that are registered with it. Empty: nowhere, clients have API keys.", ""},
	{"oauth.client_hosts", "host names", `[]`,
		"Hosts of the redirect URIs that a client may have which registers itself (RFC 7591) or publishes a " +
			"metadata document, such as *.consent.azure-apim.net for Copilot Studio; loopback for programs on the " +
			"machine of whoever signs in. Empty: every client is added by hand.", ""},
	{"oauth.allow_targets", "hosts, addresses", `[]`,
		"Host names, addresses, and ranges such as 10.1.0.0/16 that the id or jwks_uri of a client may name though they " +
			"are not of the Internet, at any port, over https alone. Anybody can have such a host asked for an object " +
			"of JSON, and sees only whether there was one. Empty: public hosts at port 443 alone.", ""},
	{"oauth.access_lifetime", "", `"5m"`,
		"How long an access token lasts; 10m at most. What it may do is read from its grant at each use.", ""},
	{"oauth.refresh_lifetime", "", `"30d"`,
		"How long a client stays signed in that does nothing.", ""},

	{"oauth.grant.issuer", "name", `""`, "The issuer that signs the people in. Required; it has a login.", ""},
	{"oauth.grant.tenant", "", `""`, "Their tenant. Required where the issuer has tenants.", ""},
	{"oauth.grant.person", "id", `""`,
		"Object id of one person, octet by octet; of entra a GUID in lower case. Either a person or a role is required.", ""},
	{"oauth.grant.role", "role", `""`, "Application role that the issuer gives.", ""},
	{"oauth.grant.agents", "names", `[]`, "The agents whose rights they may grant. Required.", ""},
	{"oauth.grant.mailboxes", "addresses", `[]`, "The only mailboxes; empty: all that the agent uses.", ""},
	{"oauth.grant.scopes", "read, send, tighten", `["read", "send"]`, "The most that they may grant.", ""},

	{"issuer.login.client_id", "text", `""`,
		"Client at the issuer by which people sign in here to grant what [[oauth.grant]] lets them; empty: nobody " +
			"does. Its redirect URI is http.public_url with /oauth/callback.", ""},
	{"issuer.login.client_secret_file", "file, mode 0600", `""`, "Its secret.", ""},
	{"issuer.login.tenant", "GUID", `""`, "For entra: the tenant where people sign in; empty: the first of tenants.", ""},
}

var agentName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

const maxAccessLifetime = 10 * time.Minute

// checkPublicURL refuses an address that is no origin: clients compare it octet by octet.
func checkPublicURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.Scheme+"://"+u.Host != s:
		return "not an origin, such as https://mail.example.com, without a slash at its end"
	case s != strings.ToLower(s):
		return "must be in lower case"
	case u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname()+":0"):
		return ""
	}
	return "must begin with https://; http:// only on loopback"
}

func checkOAuth(c Config) *KeyError {
	o := c.OAuth
	if p := c.HTTP.PublicURL; p != "" {
		if problem := checkPublicURL(p); problem != "" {
			return &KeyError{"http.public_url", problem}
		}
	}
	at := slices.IndexFunc(c.Issuers, func(is Issuer) bool { return is.Name == o.Server })
	elsewhere := o.Server != "" && o.Server != OAuthEmbedded
	switch {
	case elsewhere && at < 0:
		return &KeyError{"oauth.server", strconv.Quote(o.Server) + " is not embedded, nor the name of an issuer"}
	case elsewhere && c.Issuers[at].Scopes.none():
		return &KeyError{"oauth.server", "the issuer needs issuer.scopes: what clients ask it for"}
	case o.Server != "" && c.HTTP.PublicURL == "":
		return &KeyError{"http.public_url", "required with oauth.server: it is what tokens are for"}
	case o.Server != OAuthEmbedded && len(o.Grants) > 0:
		return &KeyError{"oauth.server", "must be embedded where there are grants"}
	case time.Duration(o.AccessLifetime) > maxAccessLifetime:
		return &KeyError{"oauth.access_lifetime", "at most 10m"}
	}
	for _, h := range o.ClientHosts {
		if !redirect.IsAllowable(h) {
			return &KeyError{"oauth.client_hosts",
				strconv.Quote(h) + " is not a host name in lower case, *. and one, or loopback"}
		}
	}
	for i, g := range o.Grants {
		if err := checkOAuthGrant(c, g); err != nil {
			return &KeyError{fmt.Sprintf("oauth.grant[%d].%s", i, err.Key), err.Problem}
		}
	}
	return nil
}

func checkOAuthGrant(c Config, g OAuthGrant) *KeyError {
	i := slices.IndexFunc(c.Issuers, func(is Issuer) bool { return is.Name == g.Issuer })
	switch {
	case i < 0:
		return &KeyError{"issuer", "required: the name of an issuer"}
	case c.Issuers[i].Login.ClientID == "":
		return &KeyError{"issuer", "nobody signs in there: it has no issuer.login.client_id"}
	case len(c.Issuers[i].Tenants) > 0 && !slices.Contains(c.Issuers[i].Tenants, g.Tenant),
		len(c.Issuers[i].Tenants) == 0 && g.Tenant != "":
		return &KeyError{"tenant", "one of the issuer's tenants, or nothing where it has none"}
	case (g.Person == "") == (g.Role == ""):
		return &KeyError{"person", "either a person or a role is required"}
	case len(g.Person)+len(g.Role) > maxText || strings.ContainsAny(g.Person+g.Role, " \t\r\n"):
		return &KeyError{"person", "an id without blanks"}
	case c.Issuers[i].Preset == PresetEntra && g.Person != "" && !guid.MatchString(g.Person):
		return &KeyError{"person", strconv.Quote(g.Person) + " is not the object id of a person at Entra: " +
			"copy the GUID, in lower case"}
	case len(g.Agents) == 0 || len(g.Agents) > maxValues:
		return &KeyError{"agents", "required: the names of agents"}
	case len(g.Scopes) == 0:
		return &KeyError{"scopes", "required: some of read, send and tighten"}
	}
	for _, a := range g.Agents {
		if !agentName.MatchString(a) {
			return &KeyError{"agents", strconv.Quote(a) + " is not the name of an agent"}
		}
	}
	for _, s := range g.Scopes {
		if s != "read" && s != "send" && s != "tighten" {
			return &KeyError{"scopes", strconv.Quote(s) + " is none of read, send and tighten: " +
				"who decides is bound as an approver"}
		}
	}
	return nil
}

// checkLogin refuses a login that could not work.
func checkLogin(is Issuer) *KeyError {
	l := is.Login
	switch {
	case l.ClientID == "" && (l.ClientSecretFile != "" || l.Tenant != ""):
		return &KeyError{"login.client_id", "required for a login"}
	case l.ClientID == "":
	case is.Preset == PresetGeneric && is.DiscoveryURL == "":
		return &KeyError{"login.client_id", "a login needs the discovery_url of the issuer"}
	case is.Preset == PresetGeneric && l.Tenant != "", l.Tenant != "" && !slices.Contains(is.Tenants, l.Tenant):
		return &KeyError{"login.tenant", "one of the tenants of the preset entra"}
	}
	return nil
}
