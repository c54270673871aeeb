package config

import (
	"strings"
	"testing"
)

const (
	edge = "[[inbound.trusted]]\nname = 'edge'\n" // lines 4 and 5 behind certs
	sum  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestATrustedServerNeedsARangeAndAProof(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a name", certs + "[[inbound.trusted]]\nranges = ['10.0.0.0/8']\nproof = 'private'\n",
			"f:4: inbound.trusted.name: required"},
		{"a plain name", certs + "[[inbound.trusted]]\nname = 'a b'\n", "f:5: inbound.trusted.name"},
		{"a name of its own", certs + "[[inbound.trusted]]\nname = 'lmtp'\n", "choose another"},
		{"a name once", certs + edge + "ranges = ['10.0.0.1']\nproof = 'private'\n" + edge, "f:9: inbound.trusted.name"},
		{"a range", certs + edge + "proof = 'private'\n", "f:4: inbound.trusted.ranges: required"},
		{"a range that is one", certs + edge + "ranges = ['edge.example.com']\n", "is not an address or a range"},
		{"a range without an address in it", certs + edge + "ranges = ['192.0.2.1/24']\n", "192.0.2.0/24"},
		{"no mapped address", certs + edge + "ranges = ['::ffff:10.0.0.0/104']\n", "is not an address or a range"},
		{"not everybody", certs + edge + "ranges = ['0.0.0.0/0']\n", "more than one provider has"},
		{"not everybody over IPv6", certs + edge + "ranges = ['2000::/3']\n", "more than one provider has"},
		{"a proof", certs + edge + "ranges = ['192.0.2.0/28']\n", "f:4: inbound.trusted.proof: required: an address alone"},
		{"a proof, also in a private range", certs + edge + "ranges = ['10.0.0.1']\n", "inbound.trusted.proof: required"},
		{"a known proof", certs + edge + "ranges = ['10.0.0.1']\nproof = 'spf'\n", "f:7: inbound.trusted.proof"},
		{"private ranges for private", certs + edge + "ranges = ['10.0.0.0/8', '192.0.2.1']\nproof = 'private'\n",
			"f:6: inbound.trusted.ranges: 192.0.2.1/32 is public"},
		{"all of a range is private", certs + edge + "ranges = ['172.16.0.0/11']\nproof = 'private'\n",
			"is an address within"},
		{"no range of a carrier", certs + edge + "ranges = ['100.64.0.0/10']\nproof = 'private'\n", "is public"},
		{"private ranges of one server", certs + edge + "ranges = ['10.0.0.0/8']\nproof = 'private'\n" +
			"[[inbound.trusted]]\nname = 'b'\nranges = ['10.1.0.0/16']\nproof = 'private'\n", "f:10: inbound.trusted.ranges"},
		{"a certificate", certs + edge + "ranges = ['192.0.2.1']\nproof = 'certificate'\n",
			"inbound.trusted.certificates: required"},
		{"a fingerprint", certs + edge + "ranges = ['192.0.2.1']\nproof = 'certificate'\ncertificates = ['ab:cd']\n",
			"f:8: inbound.trusted.certificates"},
		{"a fingerprint once", certs + edge + "ranges = ['192.0.2.1']\nproof = 'certificate'\ncertificates = ['" + sum +
			"', '" + strings.ToUpper(sum) + "']\n", "given twice"},
		{"certificates under TLS", "[smtp]\nsubmission = ''\nsubmissions = ''\n" + edge +
			"ranges = ['192.0.2.1']\nproof = 'certificate'\ncertificates = ['" + sum + "']\n", "smtp.tls_cert_file"},
		{"a header", certs + edge + "ranges = ['192.0.2.1']\nproof = 'header'\nvalue = 'x'\n",
			"inbound.trusted.header: required"},
		{"not a header of the author", certs + edge + "ranges = ['192.0.2.1']\nproof = 'header'\nheader = 'Subject'\n" +
			"value = 'x'\n", "f:8: inbound.trusted.header"},
		{"a value", certs + edge + "ranges = ['192.0.2.1']\nproof = 'header'\nheader = 'X-Tenant'\n",
			"inbound.trusted.value: required"},
		{"a tenant of one server", certs + edge + "ranges = ['192.0.2.1']\nproof = 'header'\nheader = 'X-Tenant'\n" +
			"value = 'a'\n[[inbound.trusted]]\nname = 'b'\nranges = ['192.0.2.2']\nproof = 'header'\nheader = 'x-tenant'\n" +
			"value = 'A'\n", "f:15: inbound.trusted.value"},
		{"one proof", certs + edge + "ranges = ['10.0.0.1']\nproof = 'private'\nheader = 'X-Tenant'\n",
			"only for proof header"},
		{"one proof and no other", certs + edge + "ranges = ['10.0.0.1']\nproof = 'private'\ncertificates = ['" +
			sum + "']\n",
			"only for proof certificate"},
		{"an id", certs + edge + "authserv_id = 'a b'\n", "f:6: inbound.trusted.authserv_id"},
		{"an id and none", certs + edge + "authserv_id = 'a'\nno_authserv_id = true\n",
			"f:7: inbound.trusted.no_authserv_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse("f", c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestATrustedServerWithAProofIsTaken(t *testing.T) {
	for _, text := range []string{
		"ranges = ['10.0.0.0/8', '192.168.1.1', 'fd00::/8', '127.0.0.1', '::1']\nproof = 'private'\n",
		"ranges = ['192.0.2.0/28', '2001:db8::/32']\nproof = 'certificate'\ncertificates = ['" + sum +
			"', 'sha256 Fingerprint=" + strings.TrimSuffix(strings.Repeat("AB:", 32), ":") + "']\n",
		"ranges = ['40.107.0.0/16']\nproof = 'header'\nheader = 'X-MS-Exchange-CrossTenant-Id'\nvalue = 'id'\n" +
			"authserv_id = 'mx.example.com'\n",
	} {
		c, err := Parse("f", certs+edge+text)
		if err != nil {
			t.Error(err)
			continue
		}
		if p, err := c.Inbound.Trusted[0].Prefixes(); err != nil || len(p) != len(c.Inbound.Trusted[0].Ranges) {
			t.Errorf("%v, %v", p, err)
		}
	}
}

func TestOnlyOnesOwnMachinesReachLMTP(t *testing.T) {
	for listener, want := range map[string]string{
		"127.0.0.1:24": "", "localhost:24": "", "[::1]:24": "", "10.1.2.3:24": "", "[fd00::1]:24": "",
		"unix:/run/multimail/lmtp.sock": "",
		":24":                           "who reaches it is believed",
		"0.0.0.0:24":                    "who reaches it is believed",
		"[::]:24":                       "who reaches it is believed",
		"192.0.2.1:24":                  "who reaches it is believed",
		"mx.example.com:24":             "who reaches it is believed",
		"127.0.0.1":                     "is not host:port",
		"unix:lmtp.sock":                "begins with /",
	} {
		_, err := Parse("f", certs+"[inbound]\nlmtp = '"+listener+"'\n")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", listener, err, want)
		}
	}
}

func TestNamesOfTheInboundDoor(t *testing.T) {
	for text, want := range map[string]string{
		"hostname = 'mx.example.com'\nlmtp_authserv_id = 'gw.example.com'\n": "",
		"hostname = 'mx.example.com'\ntrusted_sealers = ['list.test']\n" +
			"[inbound.dmarc]\nreject = 'accept'\nquarantine = 'reject'\ntemperror = 'accept'\n": "",
		"hostname = 'mx example'\n":                "f:5: inbound.hostname",
		"lmtp_authserv_id = 'a;b'\n":               "f:5: inbound.lmtp_authserv_id",
		"max_recipients = 101\nlisten = ':25'\n":   "f:5: inbound.max_recipients",
		"trusted_sealers = ['list.test', 'a b']\n": "f:5: inbound.trusted_sealers",
		"[inbound.dmarc]\nreject = 'drop'\n":       "inbound.dmarc.reject",
		"[inbound.dmarc]\nquarantine = 'no'\n":     "inbound.dmarc.quarantine",
		"[inbound.dmarc]\ntemperror = 'reject'\n":  "inbound.dmarc.temperror",
		"max_recipients = 0\n":                     "must be positive",
		"unknown_recipients_per_minute = -1\n":     "must be positive",
	} {
		c, err := Parse("f", certs+"[inbound]\n"+text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
		if want == "" && c.InboundHostname() != "mx.example.com" {
			t.Errorf("the name is %q", c.InboundHostname())
		}
	}
	if c := Default(); c.InboundHostname() != c.SMTP.Hostname {
		t.Errorf("the default name is %q", c.InboundHostname())
	}
}
