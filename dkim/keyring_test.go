package dkim

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestEnsureMakesTheKeysThatAreMissingAndNoOther(t *testing.T) {
	dir := t.TempDir()
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, "keys", testDomain, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := OpenKeys(dir, Options{}).Ensure("Example.COM", noon); err != nil {
		t.Fatal(err)
	}
	first := read("dkim-rsa.pem")
	both := OpenKeys(dir, Options{Algorithms: []string{RSA, Ed25519}})
	if _, err := both.Records(testDomain); err == nil {
		t.Error("records without a key")
	}
	for range 2 {
		if err := both.Ensure(testDomain, noon); err != nil {
			t.Fatal(err)
		}
	}
	if read("dkim-rsa.pem") != first {
		t.Error("the RSA key was replaced")
	}
	files, err := os.ReadDir(filepath.Join(dir, "keys", testDomain))
	if err != nil || len(files) != 3 {
		t.Errorf("the directory holds %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "keys", testDomain)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory %v, %v", info.Mode(), err)
	}
}

func TestALostRSAKeyIsNotReplacedInSilence(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	if err := os.Remove(h.path("dkim-rsa.pem")); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keyring{h.keys, OpenKeys(h.dir, Options{})} {
		if err := k.Ensure(testDomain, noon); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("Ensure: %v", err)
		}
	}
	if _, err := os.Stat(h.path("dkim-rsa.pem")); err == nil {
		t.Error("there is a new one")
	}
}

func TestTwoWhoEnsureAtOnceGetTheSameKey(t *testing.T) {
	h := newFixture(t, Options{})
	records := make([]string, 8)
	var wg sync.WaitGroup
	for i := range records {
		wg.Go(func() {
			k := OpenKeys(h.dir, Options{Algorithms: []string{RSA, Ed25519}})
			if err := k.Ensure(testDomain, noon); err != nil {
				t.Error(err)
				return
			}
			r, err := k.Records(testDomain)
			if err != nil || len(r) != 2 {
				t.Error(r, err)
				return
			}
			records[i] = r[1].TXT
		})
	}
	wg.Wait()
	for _, r := range records {
		if r != records[0] || r == "" {
			t.Fatalf("%q and %q", r, records[0])
		}
	}
}

func TestEnsureRefusesNamesThatAreNoDomains(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", "..", "../x.test", "a/b.test", "/etc", "a..b", "localhost", "a\x00.test"} {
		if err := OpenKeys(dir, Options{}).Ensure(name, noon); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("something was written: %v, %v", files, err)
	}
}

// pkcs8 writes a key as Ensure does.
func pkcs8(t *testing.T, private any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestADamagedKeyFileIsAnErrorAndStaysAsItIs(t *testing.T) {
	h := newFixture(t, Options{})
	b, err := rsaPEM()
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":              "",
		"cut short":          good[:len(good)/2],
		"no PEM":             "key",
		"something after it": good + good,
		"another type":       strings.ReplaceAll(good, "PRIVATE", "PUBLIC"),
		"damaged inside":     strings.Replace(good, good[100:110], "AAAAAAAAAA", 1),
		"too short a key":    pkcs8(t, small),
		"another algorithm":  pkcs8(t, ed),
	} {
		h.replace("dkim-rsa.pem", content)
		for _, k := range []*Keyring{h.keys, OpenKeys(h.dir, Options{})} {
			if _, err := k.Records(testDomain); err == nil || k.Ensure(testDomain, noon) == nil {
				t.Errorf("%s: was taken", name)
			}
		}
		if b, err := os.ReadFile(h.path("dkim-rsa.pem")); err != nil || string(b) != content {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	h.replace("dkim-rsa.pem", good)
	if got := h.verdicts(h.stamp(sample)); got != "pass" {
		t.Errorf("the restored file does not sign: %s", got)
	}
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	h := newFixture(t, Options{})
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false} {
		if err := os.Chmod(h.path("dkim-rsa.pem"), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := h.keys.Records(testDomain); (err == nil) != ok {
			t.Errorf("%04o: %v", mode, err)
		}
	}
}

func TestRecordsHoldThePublicKeys(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	records, err := h.keys.Records("EXAMPLE.com")
	if err != nil || len(records) != 2 {
		t.Fatal(records, err)
	}
	keys, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if want := []string{"mm1", "mm1-ed"}[i] + "._domainkey.example.com"; r.Name != want {
			t.Errorf("name %s, want %s", r.Name, want)
		}
	}
	if !keys[0].private.(*rsa.PrivateKey).PublicKey.Equal(publicKey(t, records[0])) {
		t.Error("another RSA key is published")
	}
	if !keys[1].private.Public().(ed25519.PublicKey).Equal(publicKey(t, records[1]).(ed25519.PublicKey)) {
		t.Error("another Ed25519 key is published")
	}
	for _, r := range records {
		if strings.Contains(r.TXT, "PRIVATE") || !strings.HasPrefix(r.TXT, "v=DKIM1; k=") {
			t.Errorf("%s", r.TXT)
		}
	}
}
