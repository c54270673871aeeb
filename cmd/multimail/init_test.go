package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// initArgs are good arguments, of which the test replaces some.
func initArgs(data, key string, replace ...string) []string {
	args := []string{"init", "--data", data, "--approver-key", key, "--operator", "Example", "--domain", "example.test",
		"--oversight", "boss@example.test", "--approver", "ann"}
	return append(args, replace...)
}

func TestInitMakesEverythingOnceAndPrintsTheRecords(t *testing.T) {
	dir := shortDir(t)
	data, key := filepath.Join(dir, "data"), filepath.Join(dir, "key")
	a := call(t, append(initArgs(data, key), "--bind")...).want(t, exitDone, "The key of approver ann is in "+key)
	for _, want := range []string{
		`_multimail-identity.example.test. TXT "v=MMID1; `, `._domainkey.example.test. TXT "v=DKIM1; `,
	} {
		if !strings.Contains(a.out, want) {
			t.Errorf("no %s in\n%s", want, a.out)
		}
	}
	if fi, err := os.Stat(key); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if fi, err := os.Stat(data); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	secret, err := os.ReadFile(key)
	if err != nil || strings.Contains(a.out+a.stderr, strings.TrimSpace(string(secret))) {
		t.Errorf("the secret was printed, or %v", err)
	}
	call(t, initArgs(data, filepath.Join(dir, "second"))...).want(t, exitFailed, "in use already")
	if _, err := os.Stat(filepath.Join(dir, "second")); err == nil {
		t.Error("a refused init left a key")
	}
}

func TestInitCanBeRepeatedUntilItSucceeds(t *testing.T) {
	dir := shortDir(t)
	data, key := filepath.Join(dir, "data"), filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, initArgs(data, key)...).want(t, exitFailed, key)
	if b, _ := os.ReadFile(key); string(b) != "mine" {
		t.Errorf("the file now says %s", b)
	}
	type domain struct {
		Records []struct{ Type, Name, Value string } `json:"dns_records"`
	}
	d := decoded[domain](t, call(t, append(initArgs(data, filepath.Join(dir, "other")), "--json")...))
	if len(d.Records) < 2 {
		t.Errorf("%+v", d)
	}
}

func TestInitRefusesWhatCannotWork(t *testing.T) {
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"a key in the data directory": {initArgs(data, filepath.Join(data, "key")), exitFailed, "does not belong"},
		"an oversight that is none": {initArgs(data, filepath.Join(dir, "k"), "--oversight", "nobody"),
			exitUsage, "--oversight"},
		"an operator without a name": {initArgs(data, filepath.Join(dir, "k"), "--operator", ""), exitUsage, "error: "},
		"a missing flag":             {[]string{"init", "--data", data}, exitUsage, "missing flags"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := call(t, c.args...).want(t, c.code, c.stderr); strings.Contains(a.stderr, "invalid:") {
				t.Errorf("the kind of an error: %s", a.stderr)
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("something was made")
			}
		})
	}
}

func TestInitNamesAWrongApproverInWordsForPeople(t *testing.T) {
	dir := shortDir(t)
	key := filepath.Join(dir, "key")
	a := call(t, initArgs(filepath.Join(dir, "data"), key, "--approver", "")...).want(t, exitUsage, "error: ")
	if strings.Contains(a.stderr, "501") {
		t.Errorf("the kind of an error: %s", a.stderr)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a key was left")
	}
	call(t, initArgs(filepath.Join(dir, "data"), key)...).want(t, exitDone)
}

func TestAWrongConfigurationStopsTheStart(t *testing.T) {
	s := setUp(t)
	good, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, now string) string { return strings.Replace(string(good), old, now, 1) }
	for name, c := range map[string]struct{ text, stderr string }{
		"an unknown key":         {"nonsense = 1\n" + string(good), "nonsense"},
		"no certificate":         {with("tls_cert_file", "#"), "smtp.tls_cert_file"},
		"a certificate astray":   {with("cert.pem", "lost.pem"), "smtp.tls_cert_file"},
		"no data directory":      {with(`/data"`, `/lost"`), "hint: make the data directory"},
		"a port that is none":    {with(`"127.0.0.1:0"`, `"127.0.0.1:x"`), "smtp.submissions: "},
		"a password file astray": {string(good) + "username = \"u\"\npassword_file = \"/nowhere\"\n", "relay.password_file"},
		"an authority astray":    {string(good) + "ca_file = \"/nowhere\"\n", "relay.ca_file"},
		"an authority of text":   {string(good) + "ca_file = \"" + s.config + "\"\n", "no certificate in it"},
		"an open API":            {with(`listen = ""`, `listen = ":0"`), "http.tls_cert_file"},
	} {
		t.Run(name, func(t *testing.T) {
			s.write(c.text)
			call(t, "serve", "--config", s.config).want(t, exitFailed, "error: ", c.stderr)
		})
	}
	call(t, "serve", "--config", filepath.Join(s.data, "none.toml")).want(t, exitFailed, "none.toml")
}
