package config

import (
	"strings"
	"testing"
)

func TestKeysAndTheirAlgorithmsAreTakenOrRefusedWithTheirLine(t *testing.T) {
	const certs = "[smtp]\ntls_cert_file = 'c'\ntls_key_file = 'k'\n"
	for _, c := range []struct{ name, text, want string }{
		{"keys may stay for ever", certs + "[keys]\nrotate_every = ''\n", ""},
		{"keys may change every week", certs + "[keys]\nrotate_every = '7d'\n", ""},
		{"a change takes two days", certs + "[keys]\nrotate_every = '6d'\n", "f:5: keys.rotate_every"},
		{"time does not run back", certs + "[keys]\nrotate_every = '-30d'\n", "must be positive; empty means never"},
		{"zero is not never", certs + "[keys]\nrotate_every = '0s'\n", "keys.rotate_every"},
		{"a token has a PIN", certs + "[keys]\npkcs11_module = '/x.so'\npkcs11_token = 't'\n", "keys.pkcs11_pin_file"},
		{"a module has a token", certs + "[keys]\npkcs11_module = '/x.so'\n", "keys.pkcs11_token"},
		{"a PIN has a module", certs + "[keys]\npkcs11_pin_file = '/pin'\n", "keys.pkcs11_module"},
		{"an algorithm must be known", certs + "[dkim]\nalgorithms = ['rsa', 'dsa']\n", "f:5: dkim.algorithms"},
		{"an algorithm stands once", certs + "[dkim]\nalgorithms = ['rsa', 'rsa']\n", "dkim.algorithms"},
		{"a mail is signed", certs + "[dkim]\nalgorithms = []\n", "dkim.algorithms: empty"},
		{"ed25519 alone is for the start to warn of", certs + "[dkim]\nalgorithms = ['ed25519']\n", ""},
		{"a token makes no ed25519 keys", certs + "[dkim]\nalgorithms = ['rsa', 'ed25519']\n[keys]\n" +
			"pkcs11_module = '/x.so'\npkcs11_token = 't'\npkcs11_pin_file = '/pin'\n", "f:5: dkim.algorithms"},
	} {
		_, err := Parse("f", c.text)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
