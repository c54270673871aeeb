package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The shipped file lists every key with its default.
func TestExampleFileIsTheDefault(t *testing.T) {
	b, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`).ReplaceAllString(string(b), "$1")
	if text == string(b) {
		t.Fatal("no key is marked")
	}
	// The one thing the defaults lack for a start.
	withCert := strings.Replace(text, `tls_cert_file = ""`, `tls_cert_file = "cert.pem"`, 1)
	withCert = strings.Replace(withCert, `tls_key_file = ""`, `tls_key_file = "key.pem"`, 1)
	got, err := Parse(withCert)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.SMTP.CertFile, want.SMTP.KeyFile = "cert.pem", "key.pem"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example says %+v\nthe default is %+v", got, want)
	}
	for _, key := range keys(reflect.TypeOf(Config{}), "") {
		name := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(text, "\n"+name+" = ") {
			t.Errorf("the example does not show %s", key)
		}
	}
}

func keys(t reflect.Type, prefix string) []string {
	var out []string
	for f := range t.Fields() {
		name := prefix + f.Tag.Get("toml")
		if f.Type.Kind() == reflect.Struct {
			out = append(out, keys(f.Type, name+".")...)
		} else {
			out = append(out, name)
		}
	}
	return out
}

const certs = "[smtp]\ntls_cert_file = 'c'\ntls_key_file = 'k'\n"

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"certificates suffice", certs, ""},
		{"an unknown key is an error with its line", certs + "colour = 'red'\n", "line 4: unknown key smtp.colour"},
		{"an unknown table is an error with its line", certs + "[gate]\noff = true\n", "line 4: unknown key gate"},
		{"broken syntax is an error with its line", certs + "x = \n", "line 4: "},
		{"SMTP without a certificate is refused", "", "tls_cert_file"},
		{"zero never means no limit", certs + "max_recipients = 0\n", "smtp.max_recipients: must be positive"},
		{"a negative duration is refused", certs + "[queue]\nhold = '-1h'\n", "queue.hold: must be positive"},
		{"a node has a name", "node = 'a b'\n" + certs, "node: "},
		{"a TLS policy must be known", certs + "[relay]\ntls = 'maybe'\n", "relay.tls"},
		{"a username needs a password file", certs + "[relay]\nusername = 'u'\n", "relay.password_file"},
		{"HTTP beyond loopback needs a certificate", certs + "[http]\nlisten = ':80'\n", "http.tls_cert_file"},
		{"HTTP on loopback does not", certs + "[http]\nlisten = '[::1]:80'\n", ""},
		{"a size must be one", certs + "max_size = '9 acres'\n", "is not a size"},
		{"a size must not overflow", certs + "max_size = '9999999999999GB'\n", "is not a size"},
		{"a duration must be one", certs + "[queue]\nlease = 'soon'\n", "is not a duration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.text)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]Size{"512": 512, "64KB": 64 << 10, "25mb": 25 << 20, " 1GB ": 1 << 30} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "5d": 120 * time.Hour, "1h30m": 90 * time.Minute} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, time.Duration(d), err)
		}
	}
}

// relay.New knows whether the smarthost is loopback and requires TLS if not; a
// default here would take that decision away from it.
func TestATLSPolicyThatIsLeftOutStaysLeftOut(t *testing.T) {
	c, err := Parse(certs + "[relay]\nsmarthost = 'smtp.example.com:587'\n")
	if err != nil || c.Relay.TLS != "" {
		t.Errorf("%q, %v", c.Relay.TLS, err)
	}
}
