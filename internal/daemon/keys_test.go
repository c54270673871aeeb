package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/hsm"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/sign"
)

// A next key was published for two days when the daemon starts: it signs. That of
// DKIM does not, because no DNS says that it is there.
func TestADaemonSwitchesToAKeyThatIsDue(t *testing.T) {
	c := initialised(t)
	c.DNS.Resolver = []string{"127.0.0.1:1"}
	identity, before := sign.OpenKeys(c.Data), time.Now().Add(-keyset.Wait)
	if err := identity.Prepare("example.test", before); err != nil {
		t.Fatal(err)
	}
	if err := dkim.OpenKeys(c.Data, dkim.Options{}).Prepare("example.test", before); err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{Config: c, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	err = runOnce(t, d, func() error {
		for {
			list, err := api.Call(t.Context(), api.Socket(d.Addresses().Socket), api.ListSigningKeys,
				api.NameRef{Name: "example.test"})
			if err != nil {
				return err
			}
			states := map[string]string{}
			for _, k := range list.Keys {
				states[k.Purpose+" "+k.State] = k.Key
			}
			if states["dkim next"] != "mm2" || states["dkim current"] != "mm1" {
				t.Fatalf("%v", states)
			}
			if states["identity retired"] != "" && states["identity next"] == "" {
				return nil
			}
			<-tick.C // until Run has looked after the keys
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestADaemonDoesNotStartWithKeysThatCannotSign(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"identity open to others": {func(dir string) error { return os.Chmod(dir+"/identity.json", 0o644) }, "chmod 600"},
		"dkim open to others":     {func(dir string) error { return os.Chmod(dir+"/dkim-rsa.pem", 0o644) }, "chmod 600"},
		"states open to others":   {func(dir string) error { return os.Chmod(dir+"/dkim.json", 0o644) }, "chmod 600"},
		"dkim is gone":            {func(dir string) error { return os.Remove(dir + "/dkim-rsa.pem") }, "gone"},
		"identity is gone":        {func(dir string) error { return os.Remove(dir + "/identity.json") }, "no such file"},
	} {
		c := initialised(t)
		if err := tt.spoil(filepath.Join(c.Data, "keys", "example.test")); err != nil {
			t.Fatal(err)
		}
		d, err := New(Options{Config: c, Log: quiet})
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStartSweepsWhatACrashLeftAndWarnsOfEd25519Alone(t *testing.T) {
	c := initialised(t)
	left := filepath.Join(c.Data, "keys", "example.test", ".new-1")
	if err := os.WriteFile(left, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.DKIM.Algorithms = []string{dkim.Ed25519}
	var log bytes.Buffer
	d, err := New(Options{Config: c, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if !strings.Contains(log.String(), "dkim.algorithms has no rsa") {
		t.Error("no warning")
	}
}

func TestAProgramWithoutPKCS11SaysSo(t *testing.T) {
	if _, err := hsm.Open(hsm.Options{}); err != hsm.ErrNotBuilt {
		return // built with the tag
	}
	c := initialised(t)
	pin := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(pin, []byte("1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Keys.PKCS11Module, c.Keys.PKCS11Token, c.Keys.PKCS11PINFile = "/x.so", "t", pin
	d, err := New(Options{Config: c, Log: quiet})
	if err == nil {
		d.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "-tags pkcs11") {
		t.Error(err)
	}
	if err := os.Chmod(pin, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Config: c, Log: quiet}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a PIN that others may read: %v", err)
	}
}
