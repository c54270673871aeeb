package sign

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// noon is the release of every test mail.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const (
	testDomain = "example.com"
	submitRef  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	approveRef = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
)

// sample is the message of every test, in canonical form.
const sample = "Message-ID: <1@example.com>\r\n" +
	"Date: Wed, 4 Mar 2026 10:00:00 +0000\r\n" +
	"From: Example Bot <bot@example.com>\r\n" +
	"To: Ann <Ann@x.test>, bob@y.test\r\n" +
	"Cc: carl@z.test\r\n" +
	"Subject: Offer\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"\r\n" +
	"Dear Ann,\r\n\r\nhere it is.\r\n"

// fixture is a keyring with the key of one domain.
type fixture struct {
	t    testing.TB
	dir  string
	keys *Keyring
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	dir := t.TempDir()
	h := &fixture{t, dir, OpenKeys(dir)}
	if err := h.keys.Ensure(testDomain, noon.Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	return h
}

// keyOf returns the key with this private half, in use for a day.
func keyOf(t testing.TB, secret []byte) *key {
	t.Helper()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keyFrom(private, noon.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k.Activated = k.Created
	return k
}

// rewrite replaces the keys of the fixture.
func (h *fixture) rewrite(keys ...*key) {
	h.t.Helper()
	h.rewriteWith(make([]byte, 32), keys...)
}

// rewriteWith replaces the secret that hides agents, too.
func (h *fixture) rewriteWith(refKey []byte, keys ...*key) {
	h.t.Helper()
	b, err := formatKeys(&domainKeys{keys: keys, refKey: refKey})
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(b)
}

// write replaces the key file, as a rename would.
func (h *fixture) write(b []byte) {
	h.t.Helper()
	if err := os.Remove(h.path()); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(), b, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) path() string { return filepath.Join(h.dir, "keys", testDomain, "identity.json") }

// released reads raw and returns it as a mail that an approver let go.
func released(t testing.TB, raw string) *mail.Mail {
	t.Helper()
	msg, err := message.Read([]byte(raw), message.ReadOptions{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	if string(msg.Raw) != raw {
		t.Fatalf("the test message is not canonical: %q", msg.Raw)
	}
	m := &mail.Mail{
		ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Digest: "d", Header: msg.Header, BodyHash: msg.BodyHash,
		Mailbox: msg.Header.From, SubmitRef: submitRef, SubmittedAt: noon.Add(-2 * time.Hour),
		Decisions: []mail.Decision{
			{Kind: "reviewer", Approve: true, Digest: "d", At: noon.Add(-time.Hour), Ref: approveRef},
		},
	}
	m.Release = &mail.Release{
		Mode: mail.GatedSend, Basis: mail.Approved, By: "reviewer", At: noon, Ref: approveRef,
		Operator: "Example & Söhne", AgentRef: "a1", Verified: true,
		Capabilities: []string{"send", "read", "schedule", "read"},
	}
	return m
}

// stamp returns sample with its identity header on top.
func (h *fixture) stamp(m *mail.Mail, raw string) string {
	h.t.Helper()
	line, err := NewStamper(h.keys).Stamp(context.Background(), m, []byte(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(line) + raw
}

func (h *fixture) stamped() string { return h.stamp(released(h.t, sample), sample) }

// lookup finds the documents of this fixture and no DKIM keys.
func (h *fixture) lookup() Lookup {
	return Lookup{Document: func(iss, _ string) ([]byte, error) {
		return h.keys.Document(strings.TrimPrefix(iss, "https://"))
	}}
}

// verify checks eml with the documents of this fixture.
func (h *fixture) verify(eml string) Verification {
	return Verify([]byte(eml), h.lookup())
}

// forge signs any header and payload with the domain's own key.
func (h *fixture) forge(head, payload string) string {
	h.t.Helper()
	d, err := h.keys.load(testDomain)
	if err != nil {
		h.t.Fatal(err)
	}
	signing := encode([]byte(head)) + "." + encode([]byte(payload))
	sig, err := es256(d.current().private, d.current().public, signing)
	if err != nil {
		h.t.Fatal(err)
	}
	return signing + "." + encode(sig)
}

// under returns sample under a header with this value.
func under(value string) string { return HeaderName + ": " + value + "\r\n" + sample }

// tokenOf returns the value of the identity header of a stamped message.
func tokenOf(t testing.TB, eml string) string {
	t.Helper()
	v := message.Fields([]byte(eml), HeaderName)
	if len(v) != 1 {
		t.Fatalf("%d identity headers", len(v))
	}
	return v[0]
}

// part decodes one part of a token.
func part(t testing.TB, token string, n int) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// failed returns the names of the checks that failed.
func failed(v Verification) string {
	var out []string
	for _, c := range v.Checks {
		if !c.OK {
			out = append(out, c.Name)
		}
	}
	return strings.Join(out, " ")
}

// claimsOf returns the payload as a map that a test may change.
func claimsOf(t testing.TB, eml string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(part(t, tokenOf(t, eml), 1)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

var errNoLookup = errors.New("nobody may be asked")
