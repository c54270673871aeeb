package daemon

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

// watched is a pair in a directory, its clock and its log.
type watched struct {
	*testing.T
	dir string
	now time.Time
	log bytes.Buffer
	*certificate
}

// watch loads a fresh pair and returns its serial number too.
func watch(t *testing.T) (*watched, string) {
	t.Helper()
	w := &watched{T: t, dir: t.TempDir(), now: time.Now()}
	serial := certPair(t, w.dir, w.now)
	var err error
	w.certificate, err = loadCertificate("smtp.tls_cert_file", filepath.Join(w.dir, "cert.pem"),
		filepath.Join(w.dir, "key.pem"), slog.New(slog.NewTextHandler(&w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w.certificate.now = func() time.Time { return w.now }
	return w, serial
}

// step does a handshake when the files are looked at again: it must show the
// certificate want, and the log must have that many errors by then.
func (w *watched) step(name, want string, errors int) {
	w.Helper()
	w.now = w.now.Add(certCheckEvery)
	if got := served(w.T, w.certificate); got != want {
		w.Errorf("%s: certificate %s, want %s", name, got, want)
	}
	if n := strings.Count(w.log.String(), "level=ERROR"); n != errors {
		w.Errorf("%s: %d errors in the log, want %d\n%s", name, n, errors, &w.log)
	}
}

// cert returns the file of the certificate as it is.
func (w *watched) cert() []byte {
	w.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "cert.pem"))
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// setCert replaces the file of the certificate alone.
func (w *watched) setCert(b []byte) {
	w.Helper()
	if err := writeFile(filepath.Join(w.dir, "cert.pem"), b, 0o600); err != nil {
		w.Fatal(err)
	}
}

func TestACertificateIsReloadedOnChange(t *testing.T) {
	w, first := watch(t)
	w.step("at the start", first, 0)
	second := certPair(t, w.dir, w.now)
	if got := served(t, w.certificate); got != first {
		t.Errorf("looked again before %s were over", certCheckEvery)
	}
	w.step("after a change", second, 0)
	third := certPair(t, w.dir, w.now)
	w.reload()
	if got := served(t, w.certificate); got != third {
		t.Errorf("reload did not read the files")
	}
}

func TestABadCertificateKeepsTheOldAndIsLoggedOnce(t *testing.T) {
	w, first := watch(t)
	good := w.cert()
	w.setCert([]byte("nothing"))
	w.step("no certificate", first, 1)
	w.step("still none: one line is enough", first, 1)
	if err := os.Remove(filepath.Join(w.dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	w.step("no file", first, 2)
	w.step("still no file: one line is enough", first, 2)
	w.setCert(good)
	w.step("the good one is back", first, 2)

	// The certificate of another key: a renewal that is half done.
	other, _ := watch(t)
	w.setCert(other.cert())
	w.step("half of a pair", first, 3)
	certPair(t, w.dir, w.now.Add(-2*certLife))
	w.step("an expired pair", first, 4)
	last := certPair(t, w.dir, w.now)
	w.reload()
	if got := served(t, w.certificate); got != last {
		t.Errorf("reload did not read the files")
	}
}
