//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"
)

// gsasl runs an exchange of GNU SASL over STARTTLS and returns what it said.
func (h *daemon) gsasl(mech, user, password string, more ...string) string {
	r := command(h.t, "", nil, "gsasl", append([]string{"--smtp", "--connect=localhost:" + h.dev.port(), "--starttls",
		"--x509-ca-file=" + h.dev.CAFile, "--mechanism=" + mech, "--authentication-id=" + user,
		"--password=" + password}, more...)...)
	return r.out + r.err
}

// GNU SASL proves the password, and checks the server's own proof, with a channel
// binding and without.
func TestGSASLLogsInBySCRAM(t *testing.T) {
	h := start(t)
	for _, c := range []struct {
		name, mech, user, password string
		more                       []string
		ok                         bool
	}{
		{"with tls-exporter", "SCRAM-SHA-256-PLUS", h.dev.Username, h.dev.Password, nil, true},
		{"without a binding", "SCRAM-SHA-256", h.dev.Username, h.dev.Password, []string{"--no-cb"}, true},
		{"by the address", "SCRAM-SHA-256-PLUS", h.dev.Mailbox, h.dev.Password, nil, true},
		{"a wrong password", "SCRAM-SHA-256-PLUS", h.dev.Username, "wrong", nil, false},
		{"an unknown user", "SCRAM-SHA-256-PLUS", "nobody", h.dev.Password, nil, false},
	} {
		said := h.gsasl(c.mech, c.user, c.password, c.more...)
		trusted := strings.Contains(said, "\n235 2.7.0") && strings.Contains(said, "server trusted")
		if refused := strings.Contains(said, "\n535 5.7.8"); trusted != c.ok || refused == c.ok {
			t.Errorf("%s: gsasl said\n%s", c.name, said)
		}
	}
}

// A reset changes what a client must know; the password of before is refused.
func TestSCRAMFollowsAReset(t *testing.T) {
	h := start(t)
	said := h.must("agent", "password", h.dev.Username)
	fresh := regexp.MustCompile(`SMTP password ([A-Z2-7]{26})`).FindStringSubmatch(said)
	if fresh == nil {
		t.Fatalf("no password in %q", said)
	}
	if said := h.gsasl("SCRAM-SHA-256-PLUS", h.dev.Username, fresh[1]); !strings.Contains(said, "server trusted") {
		t.Errorf("the new password: gsasl said\n%s", said)
	}
	if said := h.gsasl("SCRAM-SHA-256-PLUS", h.dev.Username, h.dev.Password); !strings.Contains(said, "\n535 5.7.8") {
		t.Errorf("the old password: gsasl said\n%s", said)
	}
}

// msmtp submits a mail; settings go into its file.
func (h *daemon) msmtp(subject string, settings ...string) string {
	rc := write(h.t, "msmtprc", "account default\nhost localhost\nport "+h.dev.port()+"\ntls on\ntls_starttls on\n"+
		"tls_trust_file "+h.dev.CAFile+"\nuser "+h.dev.Username+"\nfrom "+h.dev.Mailbox+"\n"+
		strings.Join(settings, "\n")+"\n")
	r := command(h.t, "From: "+h.dev.Mailbox+"\nTo: to@dest.test\nSubject: "+subject+"\n\nHello from msmtp.\n", nil,
		"msmtp", "-d", "-C", rc, "to@dest.test")
	return r.out + r.err
}

func TestMsmtpSubmitsBySCRAM(t *testing.T) {
	h := start(t)
	said := h.msmtp("by SCRAM", "auth scram-sha-256", "password "+h.dev.Password)
	if !strings.Contains(said, "--> AUTH SCRAM-SHA-256") || !queuedAs.MatchString(said) {
		t.Errorf("msmtp said\n%s", said)
	}
	h.only("by SCRAM")
}

// ownCertificate writes a certificate that a client has made for itself, and its key.
func ownCertificate(t *testing.T) (cert, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an agent"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return write(t, "client.pem", encode("CERTIFICATE", der)), write(t, "client.key", encode("PRIVATE KEY", private))
}

// msmtp and curl submit by a pinned certificate, until it is revoked.
func TestOtherProgramsLogInByACertificate(t *testing.T) {
	h := start(t)
	cert, key := ownCertificate(t)
	submit := map[string]func(subject string) string{
		"msmtp": func(subject string) string {
			return h.msmtp(subject, "auth external", "tls_cert_file "+cert, "tls_key_file "+key)
		},
		"curl": func(subject string) string {
			eml := write(t, "mail.eml", "From: "+h.dev.Mailbox+"\r\nTo: to@dest.test\r\nSubject: "+subject+"\r\n\r\nHello.\r\n")
			r := command(t, "", nil, "curl", "-sv", "--ssl-reqd", "--cacert", h.dev.CAFile, "--url",
				"smtp://localhost:"+h.dev.port(), "--login-options", "AUTH=EXTERNAL", "-u", h.dev.Username+":",
				"--cert", cert, "--key", key, "--mail-from", h.dev.Mailbox, "--mail-rcpt", "to@dest.test", "-T", eml)
			return r.out + r.err
		},
	}
	for name, by := range submit {
		if said := by("a stranger's, by " + name); queuedAs.MatchString(said) || !strings.Contains(said, "535 5.7.8") {
			t.Errorf("%s before the certificate was added:\n%s", name, said)
		}
	}
	added := h.must("agent", "certificate", "add", h.dev.Username, "--file", cert)
	for name, by := range submit {
		if said := by("by " + name); !queuedAs.MatchString(said) {
			t.Errorf("%s:\n%s", name, said)
		}
		h.only("by " + name)
	}
	id, _, _ := strings.Cut(added, " ")
	h.must("agent", "certificate", "revoke", id)
	for name, by := range submit {
		if said := by("revoked, by " + name); queuedAs.MatchString(said) || !strings.Contains(said, "535 5.7.8") {
			t.Errorf("%s after the revocation:\n%s", name, said)
		}
	}
}

// A session whose password is reset meanwhile is over at its next mail.
func TestASessionEndsWithItsPassword(t *testing.T) {
	h := start(t)
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"to@dest.test"}, h.message("before"), "250")
	h.must("agent", "password", h.dev.Username)
	s.do("MAIL FROM:<"+h.dev.Mailbox+">", "421 4.7.0 this login is over")
	if got := s.reply(); got != "" {
		t.Errorf("the connection goes on: %q", got)
	}
	h.only("before")
}
