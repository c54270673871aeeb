//go:build pkcs11

package hsm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/hsm"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// module is where Debian's softhsm2 puts its library.
const module = "/usr/lib/softhsm/libsofthsm2.so"

const domain = "example.test"

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// open makes a token in a directory of its own.
func open(t *testing.T) *hsm.Token {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	tokens := filepath.Join(dir, "tokens")
	must(t, os.Mkdir(tokens, 0o700))
	must(t, os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\n", tokens), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "mm", "--pin", "1234",
		"--so-pin", "4321").CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s (run test/peers/install)", err, out)
	}
	if _, err := hsm.Open(hsm.Options{Module: module, Label: "mm", PIN: "9999"}); err == nil {
		t.Error("a wrong PIN opens the token")
	}
	if _, err := hsm.Open(hsm.Options{Module: module, Label: "other", PIN: "1234"}); err == nil {
		t.Error("a token that is not there was opened")
	}
	token, err := hsm.Open(hsm.Options{Module: module, Label: "mm", PIN: "1234"})
	must(t, err)
	t.Cleanup(func() { token.Close() })
	return token
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The keys of a domain are made in the token, sign there, and what they sign is
// verified like every other mail; also after a rotation.
func TestIdentityAndDKIMAreSignedInTheToken(t *testing.T) {
	token, dir := open(t), t.TempDir()
	identity := sign.OpenKeys(dir)
	identity.UseVault(token)
	signatures := dkim.OpenKeys(dir, dkim.Options{Vault: token})
	must(t, identity.Ensure(domain, noon))
	must(t, signatures.Ensure(domain, noon))
	for round := range 2 {
		if v := verify(t, identity, signatures); v.Status != sign.Valid {
			t.Fatalf("round %d: %s %+v", round, v.Status, v.Checks)
		}
		for _, ring := range []interface {
			Keys(string) ([]keyset.Info, error)
			Prepare(string, time.Time) error
			Switch(string, string, time.Time) error
		}{identity, signatures} {
			must(t, ring.Prepare(domain, noon))
			keys, err := ring.Keys(domain)
			must(t, err)
			if !keys[0].Vault || keys[0].State() != keyset.Next {
				t.Fatalf("%+v", keys[0])
			}
			must(t, ring.Switch(domain, keys[0].Name, noon))
		}
	}
	must(t, identity.Ready(domain))
	files, err := filepath.Glob(filepath.Join(dir, "keys", domain, "*"))
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		if bytes.Contains(b, []byte("PRIVATE")) || bytes.Contains(b, []byte(`"d":`)) {
			t.Errorf("a private half is in %s", f)
		}
	}
	if len(files) != 2 {
		t.Errorf("%v", files)
	}
}

// verify stamps a mail and checks it with the public halves alone.
func verify(t *testing.T, identity *sign.Keyring, signatures *dkim.Keyring) sign.Verification {
	t.Helper()
	raw := "Message-ID: <1@example.test>\r\nDate: Wed, 4 Mar 2026 12:00:00 +0000\r\nFrom: bot@example.test\r\n" +
		"To: ann@x.test\r\nSubject: Offer\r\n\r\nHello.\r\n"
	msg, err := message.Read([]byte(raw), message.ReadOptions{Now: noon})
	must(t, err)
	ref := strings.Repeat("ab", 32)
	m := &mail.Mail{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Header: msg.Header, BodyHash: msg.BodyHash, SubmitRef: ref,
		SubmittedAt: noon, Release: &mail.Release{At: noon, By: "none", Ref: ref, Operator: "Example",
			Mode: mail.Autonomous}}
	line, err := sign.NewStamper(identity).Stamp(context.Background(), m, msg.Raw)
	must(t, err)
	m.Prefix = line
	line, err = dkim.NewStamper(signatures).Stamp(context.Background(), m, msg.Raw)
	must(t, err)
	m.Prefix = append(line, m.Prefix...)
	return sign.Verify(append(m.Prefix, msg.Raw...), sign.Lookup{
		Document: func(string, string) ([]byte, error) { return identity.Document(domain) },
		TXT: func(name string) ([]string, error) {
			selector, _, _ := strings.Cut(name, ".")
			_, txt, err := signatures.Record(domain, selector)
			return []string{txt}, err
		}})
}

func TestATokenMakesAndOpensWhatItWasAskedFor(t *testing.T) {
	token := open(t)
	if _, err := token.Make("ES256", "a"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"a label that is taken":   second(token.Make("rsa", "a")),
		"another algorithm":       second(token.Make("ed25519", "b")),
		"a label that is not one": second(token.Open("c")),
	} {
		if err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if k, err := token.Open("a"); err != nil || k.Public() == nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }
