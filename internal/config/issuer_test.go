package config

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	tenantA = "11111111-2222-3333-4444-555555555555"
	tenantB = "99999999-2222-3333-4444-555555555555"

	entra = "\n[[issuer]]\nname = 'entra'\npreset = 'entra'\naudiences = ['api://multimail']\ntenants = ['" + tenantA +
		"']\nscopes.send = ['Mail.Send']\n"
	generic = "\n[[issuer]]\nname = 'id'\nissuer = 'https://id.example'\njwks_file = 'keys.json'\n" +
		"audiences = ['multimail']\nscopes = { read = ['mail.read'], send = ['mail.send'] }\n"
)

func TestIssuersAreReadWithTheirDefaults(t *testing.T) {
	c, err := Parse("f", certs+entra+"skew = '30s'\n[[issuer.provision]]\ntenant = '"+tenantA+"'\nrole = 'Agent'\n"+
		"address = 'agent-{object}@example.com'\n"+generic+"algorithms = ['ES256']\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Issuers) != 2 || len(c.Issuers[0].Provision) != 1 || len(c.Issuers[1].Provision) != 0 {
		t.Fatalf("%+v", c.Issuers)
	}
	e, g := c.Issuers[0], c.Issuers[1]
	if time.Duration(e.Skew) != 30*time.Second || time.Duration(g.Skew) != time.Minute ||
		time.Duration(e.KeysSurvive) != 24*time.Hour || g.ObjectClaim != "client_id" || g.Preset != PresetGeneric ||
		!slices.Equal(e.Algorithms, []string{"RS256"}) || !slices.Equal(g.Algorithms, []string{"ES256"}) ||
		!slices.Equal(g.Scopes.Send, []string{"mail.send"}) || e.Provision[0].Role != "Agent" {
		t.Errorf("%+v\n%+v", e, g)
	}
	again, err := Parse("f", certs+entra+generic)
	if err != nil || !slices.Equal(again.Issuers[1].Algorithms, []string{"RS256"}) {
		t.Errorf("two files share a default: %+v, %v", again.Issuers, err)
	}
}

func TestIssuersAreReadWithoutTheOtherSettings(t *testing.T) {
	path := t.TempDir() + "/issuers.toml"
	for text, want := range map[string]string{
		entra: "", generic + "skew = '2m'\n": ":8: issuer.skew", generic + "skew = '0s'\n": ":8: issuer.skew",
		"colour = 'red'": ":1: unknown key",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadIssuers(path)
		if want == "" && (err != nil || len(got) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v, %v, want %q", got, err, want)
		}
	}
}

// The examples of the guide are a configuration.
func TestTheExamplesOfTheGuideAreTaken(t *testing.T) {
	page, err := os.ReadFile("../../docs/entra.md")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	toml := false
	for line := range strings.Lines(string(page)) {
		code, indented := strings.CutPrefix(line, "    ")
		toml = indented && (toml || strings.HasPrefix(code, "[[issuer")) || toml && strings.TrimSpace(line) == ""
		if toml {
			text.WriteString(code)
		}
	}
	c, err := Parse("docs/entra.md", certs+text.String())
	if err != nil || len(c.Issuers) != 2 || len(c.Issuers[0].Provision) != 1 || len(c.Issuers[0].Scopes.Send) != 1 {
		t.Errorf("%v of %+v\n%s", err, c.Issuers, text.String())
	}
}

var issuerCases = []struct{ name, text, want string }{
	{"an entra issuer", entra, ""},
	{"a generic issuer", generic, ""},
	{"both", entra + generic, ""},
	{"one table in place of a list", strings.Replace(generic, "[[issuer]]", "[issuer]", 1),
		"f:5: issuer: write it as [[issuer]], once for each"},
	{"a list of values", generic + "[[issuer]]\nname = 'x'\nprovision = [{ role = 'r' }]\n",
		"f:13: issuer.provision: write it as [[issuer.provision]], once for each"},
	{"the mapping as a list", strings.Replace(generic, "scopes =", "scopes.read = ['x']\n[[issuer.scopes]]\nx =", 1),
		"f:11: issuer.scopes: write it as [issuer.scopes], once"},
	{"a mapping before the issuer", "[issuer.scopes]\nread = ['x']\n" + generic, "f:4: issuer.scopes: it belongs below"},
	{"an unknown key", generic + "colour = 'red'\n", "f:11: unknown key issuer.colour"},
	{"an unknown key of the second", entra + generic + "colour = 'red'\n", "f:18: unknown key issuer.colour"},
	{"an unknown key of the mapping", strings.Replace(generic, "read =", "admin =", 1),
		"f:10: unknown key issuer.scopes.admin"},
	{"a wrong type", generic + "skew = 60\n", "f:11: issuer.skew: the value must be a duration"},
	{"no name", strings.Replace(generic, "name = 'id'", "", 1), "f:5: issuer.name: required"},
	{"no name of the second", entra + strings.Replace(generic, "name = 'id'", "", 1), "f:12: issuer.name: required"},
	{"a name twice", generic + strings.Replace(generic, "id.example", "id2.example", 1),
		"f:13: issuer.name: another issuer has this name"},
	{"an iss twice", generic + strings.Replace(generic, "'id'", "'id2'", 1),
		"f:14: issuer.issuer: another issuer has"},
	{"a tenant twice", entra + strings.Replace(entra, "'entra'\np", "'e2'\np", 1), "f:16: issuer.tenants: another issuer"},
	{"an iss of version 2 of a tenant that is there", entra + strings.Replace(generic, "https://id.example",
		"https://login.microsoftonline.com/"+tenantA+"/v2.0", 1), ": issuer.issuer: another issuer has"},
	{"an iss of version 1 of a tenant that comes later", strings.Replace(generic, "https://id.example",
		"https://sts.windows.net/"+tenantA+"/", 1) + entra, ": issuer.tenants: another issuer has"},
	{"an unknown preset", strings.Replace(entra, "preset = 'entra'", "preset = 'okta'", 1), "f:7: issuer.preset: "},
	{"entra with an iss", entra + "issuer = 'https://sts.windows.net/x/'\n", "f:11: issuer.issuer: leave it out"},
	{"generic without an iss", strings.Replace(generic, "issuer = 'https://id.example'", "", 1),
		"f:5: issuer.issuer: required"},
	{"no keys", strings.Replace(generic, "jwks_file = 'keys.json'", "", 1), "f:5: issuer.discovery_url: required"},
	{"keys from two places", generic + "jwks_url = 'https://id.example/keys'\n", "only one of"},
	{"entra with discovery", entra + "discovery_url = 'https://id.example'\n", "f:11: issuer.discovery_url: leave"},
	{"keys over http", strings.Replace(generic, "jwks_file = 'keys.json'", "jwks_url = 'http://id.example/k'", 1),
		"f:8: issuer.jwks_url: must begin with https://"},
	{"keys over http on loopback",
		strings.Replace(generic, "jwks_file = 'keys.json'", "jwks_url = 'http://127.0.0.1:9/k'", 1), ""},
	{"keys of a user", strings.Replace(generic, "jwks_file = 'keys.json'", "jwks_url = 'https://u:p@id.example'", 1),
		"f:8: issuer.jwks_url: not a URL"},
	{"keys in a file URL", strings.Replace(generic, "jwks_file = 'keys.json'", "jwks_url = 'file:///etc/passwd'", 1),
		"f:8: issuer.jwks_url: not a URL"},
	{"no audience", strings.Replace(generic, "audiences = ['multimail']", "", 1), "f:5: issuer.audiences: required"},
	{"an empty audience", strings.Replace(generic, "['multimail']", "['']", 1), "f:9: issuer.audiences: \"\" is empty"},
	{"entra without tenants", strings.Replace(entra, "tenants = ['"+tenantA+"']", "", 1), "issuer.tenants: required"},
	{"the tenant common", strings.Replace(entra, tenantA, "common", 1), "f:9: issuer.tenants: \"common\" is not"},
	{"a tenant in capitals", strings.Replace(entra, tenantA, "ABCDEFAB-2222-3333-4444-555555555555", 1), "f:9: "},
	{"generic tenants without a claim", generic + "tenants = ['x']\n", "f:11: issuer.tenants: tenants and tenant_claim"},
	{"no signature", generic + "algorithms = ['none']\n", "f:11: issuer.algorithms: \"none\" is none of"},
	{"a symmetric algorithm", generic + "algorithms = ['HS256']\n", "f:11: issuer.algorithms: \"HS256\" is none of"},
	{"no algorithm", generic + "algorithms = []\n", "f:11: issuer.algorithms: required"},
	{"too much skew", generic + "skew = '61s'\n", "f:11: issuer.skew: at most 60s"},
	{"no skew", generic + "skew = '0s'\n", "f:11: issuer.skew: must be positive"},
	{"sub as the agent", generic + "object_claim = 'sub'\n", "f:11: issuer.object_claim: sub cannot name an agent"},
	{"no claim", generic + "object_claim = ''\n", "f:11: issuer.object_claim: \"\" is not the name"},
	{"one claim for both", generic + "person_claim = 'client_id'\n", "f:11: issuer.person_claim: must be another"},
	{"claims of entra", entra + "object_claim = 'oid'\n", "f:11: issuer.object_claim: leave it out"},
	{"no mapping", strings.Replace(entra, "scopes.send = ['Mail.Send']", "", 1), "f:5: issuer.scopes: required"},
	{"a value for sending and deciding", entra + "scopes.oversight = ['Mail.Send']\n", "f:11: issuer.scopes.oversight: "},
	{"a value for sending and the log", entra + "scopes.audit_read = ['Mail.Send']\n", "f:11: issuer.scopes.audit_read: "},
	{"provisioning of generic", generic + "[[issuer.provision]]\nrole = 'r'\n", "f:11: issuer.provision.tenant: only"},
	{"provisioning of a tenant that is not ours", entra + "[[issuer.provision]]\ntenant = '" + tenantB + "'\n",
		"f:12: issuer.provision.tenant: required: one of tenants"},
	{"provisioning without a role", entra + "[[issuer.provision]]\ntenant = '" + tenantA + "'\n",
		"f:11: issuer.provision.role: required"},
	{"provisioning under a long name", strings.Replace(entra, "'entra'", "'"+strings.Repeat("e", 28)+"'", 1) +
		"[[issuer.provision]]\ntenant = '" + tenantA + "'\n", "f:6: issuer.name: at most 27 octets"},
	{"one address for all", entra + "[[issuer.provision]]\ntenant = '" + tenantA +
		"'\nrole = 'r'\naddress = 'a@example.com'\n", "f:14: issuer.provision.address: required"},
}

func TestAnIssuerIsRefusedWithItsLine(t *testing.T) {
	for _, c := range issuerCases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", certs+c.text)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
