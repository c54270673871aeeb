package main

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certPair writes a fresh pair and returns its serial number.
func certPair(t *testing.T, dir string, now time.Time) (serial string) {
	t.Helper()
	_, leaf, key, err := makeCerts(now)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"cert.pem": leaf, "key.pem": key} {
		if err := writeFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(leaf, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.String()
}

// served does a handshake with c and returns the serial number it was shown.
func served(t *testing.T, c *certificate) string {
	t.Helper()
	a, b := net.Pipe()
	server := tls.Server(a, c.config())
	go server.Handshake()
	client := tls.Client(b, &tls.Config{InsecureSkipVerify: true}) // only the serial number counts
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	return client.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestACertificateIsReloadedOnChangeAndABadOneKeepsTheOld(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	var log bytes.Buffer
	first := certPair(t, dir, now)
	c, err := loadCertificate("smtp.tls_cert_file", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	c.log, c.now = slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }
	step := func(name, want string, errors int) {
		t.Helper()
		now = now.Add(certCheckEvery)
		if got := served(t, c); got != want {
			t.Errorf("%s: certificate %s, want %s", name, got, want)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != errors {
			t.Errorf("%s: %d errors in the log, want %d\n%s", name, n, errors, &log)
		}
	}
	step("at the start", first, 0)
	second := certPair(t, dir, now)
	if got := served(t, c); got != first {
		t.Errorf("looked again before %s were over", certCheckEvery)
	}
	step("after a change", second, 0)

	good, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	step("no certificate", second, 1)
	step("still none: one line is enough", second, 1)
	if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	step("no file", second, 2)
	step("still no file: one line is enough", second, 2)
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	step("the good one is back", second, 2)

	// The certificate of another key: a renewal that is half done.
	other := t.TempDir()
	certPair(t, other, now)
	half, err := os.ReadFile(filepath.Join(other, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "cert.pem"), half, 0o600); err != nil {
		t.Fatal(err)
	}
	step("half of a pair", second, 3)
	certPair(t, dir, now.Add(-2*certLife))
	step("an expired pair", second, 4)
	third := certPair(t, dir, now)
	c.reload()
	if got := served(t, c); got != third {
		t.Errorf("reload did not read the files")
	}
}
