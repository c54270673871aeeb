package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/config"
)

// What the configuration names of a filter is read at the start, and what cannot be read
// stops it with the key.
func TestTheFilterOfTheConfigurationIsReadAtTheStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := config.Default().Filter
	c.Kind, c.Address, c.PasswordFile = "rspamd", "https://rspamd.test:11333", file("word", "a word\r\n")
	o, err := filterOptions(c)
	if err != nil || o.Password != "a word" || o.Timeout != 10*time.Second || o.MaxSize != 25<<20 || o.FlagScore != 6 ||
		o.QuarantineScore != 15 || !o.Outgoing || o.WhenDown != "tempfail" || o.TLS != nil {
		t.Errorf("%+v, %v", o, err)
	}
	for key, change := range map[string]func(*config.Filter){
		"filter.password_file": func(c *config.Filter) { c.PasswordFile = filepath.Join(dir, "missing") },
		"filter.ca_file":       func(c *config.Filter) { c.CAFile = file("ca", "no certificate") },
	} {
		bad := c
		change(&bad)
		if _, err := filterOptions(bad); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A daemon whose controller has no password that can be read does not start.
func TestADaemonNeedsThePasswordOfItsController(t *testing.T) {
	c := config.Default().Filter
	c.Kind, c.Address = "rspamd", "http://127.0.0.1:1"
	c.Controller, c.ControllerPasswordFile = "http://127.0.0.1:2", filepath.Join(t.TempDir(), "missing")
	d, err := NewDev(DevOptions{Data: filepath.Join(t.TempDir(), "data"), FreePorts: true, Filter: &c})
	if err == nil {
		d.Close()
		t.Fatal("it starts")
	}
	if !strings.Contains(err.Error(), "filter.controller_password_file: ") {
		t.Error(err)
	}
}

func TestAnExaminationFindsAFilterThatIsDown(t *testing.T) {
	c := config.Default().Filter
	c.Kind, c.Address = "rspamd", "http://127.0.0.1:1"
	d, err := NewDev(DevOptions{Data: filepath.Join(t.TempDir(), "data"), FreePorts: true, Filter: &c})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got := d.examineFilter(t.Context())
	if got.Status != api.CheckFail || got.Subject != "rspamd" || !strings.Contains(got.Do, "filter.address") {
		t.Errorf("%+v", got)
	}
}
