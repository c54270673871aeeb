package dkim

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// noon is the release of every test mail.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const testDomain = "example.com"

const identity = identityHeader + ": eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib3QifQ.c2ln\r\n"

const fields = "Message-ID: <1@example.com>\r\n" +
	"Date: Wed, 4 Mar 2026 10:00:00 +0000\r\n" +
	"From: Example Bot <bot@example.com>\r\n" +
	"To: ann@x.test,\r\n\tbob@y.test\r\n" +
	"Subject: =?utf-8?q?=C3=96?=  offer \r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n"

// sample is the wire form before this stamp.
const sample = identity + fields + "\r\nDear Ann,\r\n\r\nhere it is.\r\n"

// rsaPEM makes the one RSA key of all tests: finding primes takes a while.
var rsaPEM = sync.OnceValues(func() ([]byte, error) { return makeKey(RSA) })

// fixture is a keyring with the keys of one domain.
type fixture struct {
	t    testing.TB
	dir  string
	keys *Keyring
}

func newFixture(t testing.TB, o Options) *fixture {
	t.Helper()
	h := &fixture{t: t, dir: t.TempDir()}
	b, err := rsaPEM()
	if err == nil {
		err = secret.Write(h.path("dkim-rsa.pem"), b)
	}
	h.keys = OpenKeys(h.dir, o)
	if err == nil {
		err = h.keys.Ensure(testDomain, noon) // makes the Ed25519 key, if asked
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *fixture) path(name string) string { return filepath.Join(h.dir, "keys", testDomain, name) }

// replace writes another key file in the place of one.
func (h *fixture) replace(name, content string) {
	h.t.Helper()
	if err := os.Remove(h.path(name)); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func released() *mail.Mail {
	return &mail.Mail{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ",
		Header: mail.Header{From: mail.MustAddress("bot@example.com")}, Release: &mail.Release{At: noon}}
}

// stamp returns raw with its signatures on top.
func (h *fixture) stamp(raw string) string {
	h.t.Helper()
	lines, err := NewStamper(h.keys).Stamp(context.Background(), released(), []byte(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(lines) + raw
}

// verdicts has a stamped message verified against the records of this fixture,
// and returns one word per signature.
func (h *fixture) verdicts(eml string) string {
	h.t.Helper()
	records, err := h.keys.Records(testDomain)
	if err != nil {
		h.t.Fatal(err)
	}
	got, err := dkim.VerifyWithOptions(strings.NewReader(eml), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			for _, r := range records {
				if r.Name == name {
					return []string{r.TXT}, nil
				}
			}
			return nil, fmt.Errorf("no record %s", name)
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, v := range got {
		word := "pass"
		if v.Err != nil {
			word = "fail"
		}
		if v.Domain != testDomain || !v.Time.Equal(noon) {
			word += fmt.Sprintf(" for %s at %s", v.Domain, v.Time)
		}
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}

// tags reads a signature field as a verifier does.
func tags(t testing.TB, field string) map[string]string {
	t.Helper()
	_, value, _ := strings.Cut(field, ":")
	out := map[string]string{}
	for _, tag := range strings.Split(value, ";") {
		name, v, ok := strings.Cut(strings.TrimSpace(tag), "=")
		if _, twice := out[name]; !ok || twice {
			t.Fatalf("tag %q in %q", tag, field)
		}
		out[name] = strings.Join(strings.Fields(v), "")
	}
	return out
}

// publicKey reads the key from a record.
func publicKey(t testing.TB, r Record) any {
	t.Helper()
	_, p, _ := strings.Cut(r.TXT, "; p=")
	b, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.TXT, "k=ed25519;") {
		return ed25519.PublicKey(b)
	}
	k, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*rsa.PublicKey)
}
