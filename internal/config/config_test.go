package config

import (
	"strings"
	"testing"
	"time"
)

const certs = "[smtp]\ntls_cert_file = 'c'\ntls_key_file = 'k'\n"

func TestAConfigurationIsTakenOrRefusedWithItsLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a key that stands twice is an error with its line", certs + "tls_key_file = 'l'\n",
			"f:4: key tls_key_file is already"},
		{"a table that stands twice is an error with its line", certs + "[smtp]\n", "f:4: table smtp already"},
		{"a key in capitals is another key", certs + "MAX_SIZE = '1MB'\n", "f:4: unknown key smtp.MAX_SIZE"},
		{"an unknown key of an inline table", certs + "[http.x]\ny = 1\n", "f:4: unknown key http.x"},
		{"an inline table is a table", "smtp = { tls_cert_file = 'c', tls_key_file = 'k' }\n", ""},
		{"an unknown key inside an inline table", "smtp = { tls_cert_file = 'c', colour = 'k' }\n",
			"f:1: unknown key smtp.colour"},
		{"a dotted key is the same key", certs + "[http]\nlisten = ''\n[relay]\ntls.x = 1\n",
			"f:7: unknown key relay.tls.x"},
		{"a table is no value", "smtp = 5\n", "f:1: smtp: a table in the place of a value, or"},
		{"a value is no table", certs + "[relay.tls]\n", "f:4: relay.tls: a table in the place of a value, or"},
		{"a list of tables is no table", "[[smtp]]\n", "f:1: "},
		{"a number is no text", certs + "hostname = 5\n", "f:4: smtp.hostname: the value must be a text"},
		{"a number is no duration", certs + "[queue]\nhold = 5\n", "f:5: queue.hold: the value must be a duration"},
		{"a text is no number", certs + "max_recipients = '5'\n",
			"f:4: smtp.max_recipients: the value must be a number"},
		{"a number may be too large", certs + "max_recipients = 99999999999999999999\n",
			"f:4: smtp.max_recipients: "},
		{"a list of numbers is no list of texts", certs + "[http]\nallowed_hosts = [1]\n",
			"f:5: http.allowed_hosts: "},
		{"a size may be a number", certs + "max_size = 1000000\n", ""},
		{"certificates suffice", certs, ""},
		{"an unknown key is an error with its line", certs + "colour = 'red'\n", "f:4: unknown key smtp.colour"},
		{"an unknown table is an error with its line", certs + "[gate]\noff = true\n", "f:4: unknown key gate"},
		{"broken syntax is an error with its line", certs + "x = \n", "f:4: "},
		{"SMTP without a certificate is refused", "", "tls_cert_file"},
		{"zero never means no limit", certs + "max_recipients = 0\n", "f:4: smtp.max_recipients: must be positive"},
		{"a negative duration is refused", certs + "[queue]\nhold = '-1h'\n", "f:5: queue.hold: must be positive"},
		{"a node has a name", "node = 'a b'\n" + certs, "node: "},
		{"fields that a relay replaces are two", certs + "[relay]\nsmarthost = 'h:25'\nrewrites = ['subject']\n",
			"relay.rewrites"},
		{"each of them once", certs + "[relay]\nsmarthost = 'h:25'\nrewrites = ['date', 'date']\n", "relay.rewrites"},
		{"only a smarthost replaces fields", certs + "[relay]\nrewrites = ['date']\n", "relay.rewrites"},
		{"a TLS policy must be known", certs + "[relay]\ntls = 'maybe'\n", "relay.tls"},
		{"a DNS server has a port", certs + "[dns]\nresolver = ['192.0.2.1']\n", "f:5: dns.resolver"},
		{"a username needs a password file", certs + "[relay]\nusername = 'u'\n", "relay.password_file"},
		{"HTTP beyond loopback needs a certificate", certs + "[http]\nlisten = ':80'\n", "http.tls_cert_file"},
		{"HTTP on loopback does not", certs + "[http]\nlisten = '[::1]:80'\n", ""},
		{"a size must be one", certs + "max_size = '9 acres'\n", "f:4: smtp.max_size: \""},
		{"a size must not overflow", certs + "max_size = '9999999999999GB'\n", "f:4: smtp.max_size: \""},
		{"a duration must be one", certs + "[queue]\nlease = 'soon'\n", "is not a duration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", c.text)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSizesAndDurationsAreReadInTheirUnits(t *testing.T) {
	for text, want := range map[string]Size{"512": 512, "64KB": 64 << 10, "25mb": 25 << 20, " 1GB ": 1 << 30} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5d": 120 * time.Hour, "1h30m": 90 * time.Minute,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, time.Duration(d), err)
		}
	}
}

// relay.New knows whether the smarthost is loopback and requires TLS if not; a
// default here would take that decision away from it.
func TestATLSPolicyThatIsLeftOutStaysLeftOut(t *testing.T) {
	c, err := Parse("f", certs+"[relay]\nsmarthost = 'smtp.example.com:587'\n")
	if err != nil || c.Relay.TLS != "" {
		t.Errorf("%q, %v", c.Relay.TLS, err)
	}
}

func TestWhatDomainsPublishIsTakenOrRefusedWithItsLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"SPF lets pass", certs + "[dns]\nspf = ['-all']\n", "f:5: dns.spf"},
		{"SPF is one mechanism", certs + "[dns]\nspf = ['mx a']\n", "f:5: dns.spf"},
		{"SPF may be several", certs + "[dns]\nspf = ['mx', 'ip6:2001:db8::/32', 'include:_spf.a.test']\n", ""},
		{"an MX is a host", certs + "[dns]\nmx = ['mx']\n", "f:5: dns.mx"},
		{"an MX is a host in letters", certs + "[dns]\nmx = ['mx.a.test\\r\\nmode: none']\n", "f:5: dns.mx"},
		{"bounces have one label", certs + "[dns]\nbounce = 'a.b'\n", "f:5: dns.bounce"},
		{"reports go to one address", certs + "[dns]\nreports = 'a@b.test,x'\n", "f:5: dns.reports"},
		{"a policy has a mode", certs + "[dns]\nmta_sts_mode = 'maybe'\n", "f:5: dns.mta_sts_mode"},
		{"a policy is kept for days", certs + "[dns]\nmta_sts_max_age = '1h'\n", "f:5: dns.mta_sts_max_age"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", c.text)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
