package config

import (
	"strings"
	"testing"
)

const oauthFile = `
[smtp]
submission = ''
submissions = ''
[http]
public_url = 'https://mail.example.com'
[oauth]
server = 'embedded'
client_hosts = ['*.consent.azure-apim.net', 'claude.ai', 'loopback']
[[issuer]]
name = 'corp'
issuer = 'https://login.example.com'
discovery_url = 'https://login.example.com/.well-known/openid-configuration'
audiences = ['multimail']
scopes.read = ['Mail.Read']
login.client_id = 'multimail-login'
[[oauth.grant]]
issuer = 'corp'
person = '1234'
agents = ['bot']
`

func TestPeopleMayGrantWhatTheFileSays(t *testing.T) {
	c, err := Parse("f", oauthFile)
	if err != nil {
		t.Fatal(err)
	}
	g := c.OAuth.Grants[0]
	if g.Person != "1234" || strings.Join(g.Scopes, " ") != "read send" ||
		c.Issuers[0].Login.ClientID != "multimail-login" {
		t.Errorf("%+v", c.OAuth)
	}
}

func TestAnAuthorizationServerThatCannotBeMeantIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, problem string }{
		"no address": {"public_url = 'https://mail.example.com'", "", "http.public_url: required"},
		"an address of http": {"https://mail.example.com'\n[oauth]", "http://mail.example.com'\n[oauth]",
			"must begin with https"},
		"a path":              {"https://mail.example.com'\n[oauth]", "https://mail.example.com/'\n[oauth]", "not an origin"},
		"capitals":            {"https://mail.example.com'\n[oauth]", "https://Mail.example.com'\n[oauth]", "lower case"},
		"an unknown server":   {"server = 'embedded'", "server = 'elsewhere'", "oauth.server: "},
		"an external server":  {"server = 'embedded'", "server = 'corp'", "must be embedded"},
		"a URL as a host":     {"'claude.ai'", "'https://claude.ai'", "oauth.client_hosts"},
		"every host":          {"'claude.ai'", "'*'", "oauth.client_hosts"},
		"a long token":        {"[oauth]", "[oauth]\naccess_lifetime = '1h'", "at most 10m"},
		"no issuer":           {"issuer = 'corp'", "issuer = 'other'", "the name of an issuer"},
		"an issuer, no login": {"login.client_id = 'multimail-login'", "", "nobody signs in"},
		"a login, no keys": {"discovery_url = 'https://login.example.com/.well-known/openid-configuration'",
			"jwks_url = 'https://login.example.com/k'", "discovery_url"},
		"nobody":           {"person = '1234'", "", "either a person or a role"},
		"person and role":  {"person = '1234'", "person = '1'\nrole = 'x'", "either a person or a role"},
		"no agent":         {"agents = ['bot']", "", "agents"},
		"deciding":         {"agents = ['bot']", "agents = ['bot']\nscopes = ['oversight']", "bound as an approver"},
		"a tenant of none": {"person = '1234'", "person = '1234'\ntenant = 'x'", "tenant"},
	} {
		if !strings.Contains(oauthFile, tt.from) {
			t.Fatalf("%s: the file has no %q", name, tt.from)
		}
		_, err := Parse("f", strings.Replace(oauthFile, tt.from, tt.to, 1))
		if err == nil || !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPersonOfEntraIsNamedByAGUIDInLowerCase(t *testing.T) {
	const id = "aaaaaaaa-2222-3333-4444-555555555555"
	file := func(person string) string {
		return "smtp.submission = ''\nsmtp.submissions = ''\nhttp.public_url = 'https://m.test'\n" +
			"oauth.server = 'embedded'\n" +
			"[[issuer]]\nname = 'corp'\n" +
			"preset = 'entra'\ntenants = ['" + id + "']\naudiences = ['api://mm']\nlogin.client_id = 'c'\n" +
			"[[oauth.grant]]\nissuer = 'corp'\ntenant = '" + id + "'\nperson = '" + person + "'\nagents = ['bot']\n"
	}
	if _, err := Parse("f", file(id)); err != nil {
		t.Error(err)
	}
	for _, person := range []string{strings.ToUpper(id), "{" + id + "}", "anna@example.com", id + "0"} {
		if _, err := Parse("f", file(person)); err == nil || !strings.Contains(err.Error(), "in lower case") {
			t.Errorf("%s: %v", person, err)
		}
	}
}

// Tokens of an issuer where people only sign in mean nothing here; one that gives clients
// their tokens must say what they mean.
func TestAnIssuerOfASignInAloneNeedsNoScopes(t *testing.T) {
	alone := strings.Replace(oauthFile, "scopes.read = ['Mail.Read']\n", "", 1)
	if _, err := Parse("f", alone); err != nil {
		t.Error(err)
	}
	elsewhere, _, _ := strings.Cut(strings.Replace(alone, "'embedded'", "'corp'", 1), "[[oauth.grant]]")
	if _, err := Parse("f", elsewhere); err == nil || !strings.Contains(err.Error(), "issuer.scopes") {
		t.Errorf("%v", err)
	}
}
