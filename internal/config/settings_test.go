package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write config.example.toml and docs/configuration.md")

// The two files that are made from the table say what it says.
func TestFilesAreMadeFromTheTable(t *testing.T) {
	for path, want := range map[string]string{
		"../../config.example.toml":   exampleHead + example("#", true),
		"../../docs/configuration.md": page(),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the table says (%v): go test ./internal/config -update", path, err)
		}
	}
}

const exampleHead = `# MultiMail: every key with its default. Remove the mark in front of a key to
# change it. A key that is not known, or stands twice, stops the start; so does a
# wrong value. Agents, mailboxes and keys are not configured here but with the
# command line.

`

const pageHead = `# Configuration

` + "`multimail serve --config FILE`" + ` reads one TOML file;
[config.example.toml](../config.example.toml) has every key with its default. A key that
is not known, or stands twice, stops the start with ` + "`FILE:LINE: …`" + `; so does a wrong value.
Zero never means "no limit". Agents, mailboxes and keys are not configured here but with
the [command line](cli.md). What happens at a limit: [limits](limits.md).

A size is written ` + "`512`, `64KB`, `25MB` or `1GB`" + ` (powers of 1024), a duration ` +
	"`90s`, `15m`, `4h` or `5d`" + `.

On SIGHUP the daemon reads the file again. It takes what the last column says; of every
other key that has changed the log says that it needs a restart.
`

const rowHead = `| key | type | unit or form | default | meaning | on SIGHUP |
|---|---|---|---|---|---|
`

// page is docs/configuration.md.
func page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, sec := range sections {
		title, about := sec.heading(), sec.meaning+"\n\n"
		if sec.name == "" {
			title, about = "Above all tables", ""
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s%s", title, about, rowHead)
		for _, s := range Settings {
			if table, name := s.table(); table == sec.name {
				fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s | %s |\n",
					name, s.Type(), dash(s.Unit), s.Default, s.Meaning, dash(s.Reload))
			}
		}
	}
	return b.String()
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// Every field of a Config has one row, in a table that is described, and every
// row a meaning.
func TestEveryFieldHasItsRow(t *testing.T) {
	rows, described := map[string]int{}, map[string]bool{}
	for _, sec := range sections {
		described[sec.name] = true
	}
	for _, s := range Settings {
		rows[s.Key]++
		if table, _ := s.table(); !described[table] || !strings.HasSuffix(s.Meaning, ".") || s.Type() == "" {
			t.Errorf("%+v is not whole", s)
		}
	}
	for _, key := range fieldKeys(reflect.TypeFor[Config](), "") {
		if rows[key] != 1 {
			t.Errorf("%s has %d rows", key, rows[key])
		}
		delete(rows, key)
	}
	for key := range rows {
		t.Errorf("%s has a row and no field", key)
	}
}

func fieldKeys(t reflect.Type, prefix string) (keys []string) {
	for f := range t.Fields() {
		name := prefix + f.Tag.Get("toml")
		if typ := f.Type; typ.Kind() == reflect.Struct {
			keys = append(keys, fieldKeys(typ, name+".")...)
		} else if typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct {
			keys = append(keys, fieldKeys(typ.Elem(), name+".")...)
		} else {
			keys = append(keys, name)
		}
	}
	return keys
}

// What the example shows is what holds, but for the certificate, which a
// listener needs and no default can have.
func TestTheExampleIsTheDefault(t *testing.T) {
	text := exampleHead + example("", false)
	text = strings.Replace(text, `tls_cert_file = ""`, `tls_cert_file = "cert.pem"`, 1)
	text = strings.Replace(text, `tls_key_file = ""`, `tls_key_file = "key.pem"`, 1)
	got, err := Parse("example", text)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.SMTP.CertFile, want.SMTP.KeyFile = "cert.pem", "key.pem"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example says %+v\nthe default is %+v", got, want)
	}
}

// docs/limits.md names the keys that move a limit.
func TestTheLimitsNameKeysThatExist(t *testing.T) {
	limits, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	key := regexp.MustCompile("`((?:smtp|memory|logins|http|relay|queue|inbox|inbound|filter|issuer)\\.[a-z0-9_]+)`")
	for _, m := range key.FindAllStringSubmatch(string(limits), -1) {
		named++
		if !slices.ContainsFunc(Settings, func(s Setting) bool { return s.Key == m[1] }) {
			t.Errorf("docs/limits.md names %s", m[1])
		}
	}
	if named < 10 {
		t.Errorf("found %d keys only", named)
	}
}

// Defaults that other code relies on are stated a second time.
func TestSomeDefaults(t *testing.T) {
	c := Default()
	if c.Relay.TLS != "" || c.SMTP.MaxSize != 25<<20 || c.HTTP.AllowedHosts == nil || c.Queue.Workers != 16 {
		t.Errorf("%+v", c)
	}
	c.HTTP.AllowedHosts = append(c.HTTP.AllowedHosts, "x")
	if len(Default().HTTP.AllowedHosts) != 0 {
		t.Error("two callers share a default")
	}
}
