package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
)

const doctorTenant = "aaaaaaaa-1111-2222-3333-444444444444"

// issuerConfig writes a configuration with an issuer whose keys are in a file.
func issuerConfig(t *testing.T, is *mailtest.Issuer) string {
	t.Helper()
	dir := t.TempDir()
	conf, keys := filepath.Join(dir, "multimail.toml"), filepath.Join(dir, "keys.json")
	for path, text := range map[string]string{keys: string(is.JWKS()), conf: `
[smtp]
submission = ''
submissions = ''
[[issuer]]
name = 'entra'
preset = 'entra'
audiences = ['api://multimail']
tenants = ['` + doctorTenant + `']
jwks_file = '` + keys + `'
[issuer.scopes]
send = ['Mail.Send']
`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return conf
}

func TestDoctorTokenNamesWhatToChangeAndNeverPrintsTheToken(t *testing.T) {
	is := mailtest.NewIssuer(t)
	conf := issuerConfig(t, is)
	facts := mailtest.Entra{Tenant: doctorTenant, Audience: "api://multimail",
		Agent:     strings.Replace(doctorTenant, "a", "b", 1),
		Blueprint: strings.Replace(doctorTenant, "a", "d", 1), Scopes: []string{"Mail.Send"}, Now: time.Now()}
	wrong := facts
	wrong.Audience = "https://graph.microsoft.com"
	good, other := is.Token(t, "rsa", facts.Autonomous()), is.Token(t, "rsa", wrong.Autonomous())
	for _, c := range []struct {
		name, token string
		code        int
		says        []string
	}{
		{"a good token", good, exitDone, []string{
			"signature    ok", "shape:      autonomous", "may:        [send]", "Accepted."}},
		{"with the scheme of a header", "Bearer " + good + "\n", exitDone, []string{"Accepted."}},
		{"of another audience", other, exitFailed, []string{"audience     FAILED", "audiences of this issuer are",
			"error: the token is not accepted: its audience", "scopes       ok"}},
		{"no token at all", "hello", exitFailed, []string{"form         FAILED", "issuer       -"}},
		{"nothing", " \n", exitUsage, []string{"no token in the input"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, format := range []string{"", "--json"} {
				args := []string{"doctor", "token", "--config", conf}
				if format != "" {
					args = append(args, format)
				}
				var out, stderr bytes.Buffer
				code := run(t.Context(), args, strings.NewReader(c.token), &out, &stderr, func(string) string { return "" })
				text := out.String() + stderr.String()
				if code != c.code {
					t.Errorf("exit %d: %s", code, text)
				}
				for part := range strings.SplitSeq(c.token, ".") {
					if len(part) > 20 && strings.Contains(text, part) {
						t.Error("a part of the token is printed")
					}
				}
				if format == "" {
					for _, want := range c.says {
						if !strings.Contains(text, want) {
							t.Errorf("no %q in\n%s", want, text)
						}
					}
				} else if c.code != exitUsage {
					wantReport(t, out.Bytes(), c.code == exitDone)
				}
			}
		})
	}
}

// wantReport reads a report as a script would.
func wantReport(t *testing.T, b []byte, accepted bool) {
	t.Helper()
	var r struct {
		Accepted bool
		Failed   string
		Checks   []struct{ Check, State, Hint string }
		Claims   map[string]string
		Says     *struct{ Issuer, Shape, Object string }
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if r.Accepted != accepted || (r.Failed == "") != accepted || (r.Says != nil) != accepted || len(r.Checks) < 10 {
		t.Errorf("%s", b)
	}
}

func TestDoctorTokenNeedsAnIssuer(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "multimail.toml")
	if err := os.WriteFile(conf, []byte("[smtp]\nsubmission = ''\nsubmissions = ''\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	code := run(t.Context(), []string{"doctor", "token", "--config", conf}, strings.NewReader("a.b.c"), &out, &stderr,
		func(string) string { return "" })
	if code != exitFailed || !strings.Contains(stderr.String(), "hint: add an [[issuer]]") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}
