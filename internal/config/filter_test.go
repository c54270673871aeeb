package config

import (
	"strings"
	"testing"
)

func TestAFilterIsTakenOrRefusedWithItsKey(t *testing.T) {
	const certs = "[smtp]\ntls_cert_file = 'c'\ntls_key_file = 'k'\n[filter]\n"
	for _, c := range []struct{ name, text, want string }{
		{"no filter", "", ""},
		{"rspamd on this machine", "kind = 'rspamd'\naddress = 'http://127.0.0.1:11333'", ""},
		{"rspamd over IPv6", "kind = 'rspamd'\naddress = 'http://[::1]:11333/'", ""},
		{"rspamd elsewhere with TLS", "kind = 'rspamd'\naddress = 'https://rspamd.test:11333'", ""},
		{"rspamd on a socket", "kind = 'rspamd'\naddress = 'unix:/run/rspamd.sock'", ""},
		{"a milter", "kind = 'milter'\naddress = 'inet:127.0.0.1:8891'", ""},
		{"a milter on a socket", "kind = 'milter'\naddress = 'unix:/run/milter.sock'", ""},
		{"a controller", "kind = 'milter'\naddress = 'unix:/m'\ncontroller = 'http://localhost:11334'", ""},
		{"another program", "kind = 'spamd'", "f:5: filter.kind"},
		{"an address of nothing", "address = 'http://127.0.0.1:11333'", "filter.kind: required"},
		{"no address", "kind = 'rspamd'", "filter.address"},
		{"rspamd elsewhere in the clear", "kind = 'rspamd'\naddress = 'http://192.0.2.1:11333'", "https only"},
		{"no port", "kind = 'rspamd'\naddress = 'http://127.0.0.1'", "filter.address"},
		{"a path", "kind = 'rspamd'\naddress = 'http://127.0.0.1:11333/checkv2'", "filter.address"},
		{"a password in the address", "kind = 'rspamd'\naddress = 'http://a:b@127.0.0.1:11333'", "filter.address"},
		{"a socket without a path", "kind = 'rspamd'\naddress = 'unix:rspamd.sock'", "filter.address"},
		{"a milter elsewhere", "kind = 'milter'\naddress = 'inet:192.0.2.1:8891'", "no TLS"},
		{"a milter by HTTP", "kind = 'milter'\naddress = 'http://127.0.0.1:8891'", "filter.address"},
		{"a milter without a port", "kind = 'milter'\naddress = 'inet:127.0.0.1'", "filter.address"},
		{"a milter with a password", "kind = 'milter'\naddress = 'unix:/m'\npassword_file = '/p'", "filter.password_file"},
		{"thresholds the other way", "flag_score = 7\nquarantine_score = 6", "filter.quarantine_score"},
		{"a threshold of zero", "flag_score = 0", "must be positive"},
		{"no timeout", "timeout = '0s'", "must be positive"},
		{"another word for down", "when_down = 'accept'", "filter.when_down"},
		{"a controller in the clear", "controller = 'http://192.0.2.1:11334'", "filter.controller"},
		{"a password of no controller", "controller_password_file = '/p'", "filter.controller"},
	} {
		_, err := Parse("f", certs+c.text)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
