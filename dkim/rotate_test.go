package dkim

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/keyset"
)

func (h *fixture) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// states returns the keys as "mm1 retired, mm2 current".
func (h *fixture) states() string {
	h.t.Helper()
	keys, err := h.keys.Keys(testDomain)
	h.must(err)
	var out []string
	for _, k := range keys {
		out = append(out, k.Name+" "+string(k.State()))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// zone returns the records as a DNS server has them.
func (h *fixture) zone() map[string]string {
	h.t.Helper()
	records, err := h.keys.Records(testDomain)
	h.must(err)
	zone := map[string]string{}
	for _, r := range records {
		zone[r.Name] = r.TXT
	}
	return zone
}

// verdict has a mail verified against a zone.
func (h *fixture) verdict(eml string, zone map[string]string) (selector string, err error) {
	h.t.Helper()
	got, err := dkim.VerifyWithOptions(strings.NewReader(eml), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			if txt, ok := zone[name]; ok {
				return []string{txt}, nil
			}
			return nil, fmt.Errorf("no record %s", name)
		}})
	h.must(err)
	if len(got) != 1 {
		h.t.Fatalf("%d signatures", len(got))
	}
	return tags(h.t, strings.SplitAfterN(eml, "\r\n"+identity, 2)[0])["s"], got[0].Err
}

// rotate makes mm2 the key that signs.
func (h *fixture) rotate(now time.Time) {
	h.t.Helper()
	h.must(h.keys.Prepare(testDomain, now))
	for _, k := range h.next() {
		h.must(h.keys.Seen(testDomain, k, now))
		h.must(h.keys.Switch(testDomain, k, now))
	}
}

func (h *fixture) next() (selectors []string) {
	keys, err := h.keys.Keys(testDomain)
	h.must(err)
	for _, k := range keys {
		if k.State() == keyset.Next {
			selectors = append(selectors, k.Name)
		}
	}
	return selectors
}

func TestADirectoryFromBeforeThereWereStatesIsReadAsItWas(t *testing.T) {
	h := newFixture(t, Options{})
	if files, err := os.ReadDir(h.path("")); err != nil || len(files) != 1 {
		t.Fatalf("the fixture has %v, %v", files, err)
	}
	if got := h.states(); got != "mm1 current" {
		t.Error(got)
	}
	if got := h.verdicts(h.stamp(sample)); got != "pass" {
		t.Error(got)
	}
	if _, err := os.Stat(h.path(stateFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was changed: %v", err)
	}
}

func TestMailVerifiesBeforeDuringAndAfterARotation(t *testing.T) {
	h := newFixture(t, Options{})
	before, old := h.stamp(sample), h.zone()
	h.must(h.keys.Prepare(testDomain, noon))
	h.must(h.keys.Prepare(testDomain, noon)) // once is enough
	if got := h.states(); got != "mm1 current, mm2 next" {
		t.Fatal(got)
	}
	during, published := h.stamp(sample), h.zone()
	h.must(h.keys.Switch(testDomain, "mm2", noon.Add(keyset.Wait)))
	after, now := h.stamp(sample), h.zone()
	for name, tt := range map[string]struct {
		eml, selector string
		zones         []map[string]string
	}{
		"before": {before, "mm1", []map[string]string{old, published, now}},
		"during": {during, "mm1", []map[string]string{old, published, now}},
		"after":  {after, "mm2", []map[string]string{published, now}},
	} {
		for i, zone := range tt.zones {
			if s, err := h.verdict(tt.eml, zone); s != tt.selector || err != nil {
				t.Errorf("mail of %s, zone %d: selector %s, %v", name, i, s, err)
			}
		}
	}
	if _, err := h.verdict(after, old); err == nil {
		t.Error("the check cannot tell")
	}
	if _, err := os.Stat(h.path("dkim-rsa.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the private half of the retired key is still there: %v", err)
	}
	h.must(h.keys.Drop(testDomain, noon.Add(keyset.Wait+KeepRecords)))
	if zone := h.zone(); !maps.Equal(zone, now) {
		t.Errorf("a record is gone too early: %v", zone)
	}
	h.must(h.keys.Drop(testDomain, noon.Add(keyset.Wait+KeepRecords+time.Hour)))
	if got := h.states(); got != "mm2 current" {
		t.Error(got)
	}
	h.must(h.keys.Prepare(testDomain, noon))
	if got := h.states(); got != "mm2 current, mm3 next" {
		t.Error(got)
	}
}

func TestACompromisedKeyIsWithdrawnAndNothingIsSignedUntilTheNextIsPublished(t *testing.T) {
	h := newFixture(t, Options{})
	before := h.stamp(sample)
	h.must(h.keys.Revoke(testDomain, "mm1", keyset.Compromised, noon))
	if got := h.states(); got != "mm1 revoked, mm2 next" {
		t.Fatal(got)
	}
	if lines, err := NewStamper(h.keys).Stamp(context.Background(), released(), []byte(sample)); err == nil {
		t.Errorf("signed %q", lines)
	}
	zone := h.zone()
	if zone["mm1._domainkey.example.com"] != "v=DKIM1; k=rsa; p=" || len(zone) != 2 {
		t.Errorf("%v", zone)
	}
	if _, err := h.verdict(before, zone); err == nil {
		t.Error("mail of the compromised key passes")
	}
	h.must(h.keys.Ensure(testDomain, noon)) // also at a start: it makes no other key
	h.must(h.keys.Switch(testDomain, "mm2", noon))
	if s, err := h.verdict(h.stamp(sample), zone); s != "mm2" || err != nil {
		t.Errorf("%s %v", s, err)
	}
	if got := h.states(); got != "mm1 revoked, mm2 current" {
		t.Error(got)
	}
}

func TestARevocationForAnotherReasonLeavesTheRecord(t *testing.T) {
	h := newFixture(t, Options{})
	before := h.stamp(sample)
	h.rotate(noon)
	h.must(h.keys.Revoke(testDomain, "mm1", keyset.Superseded, noon))
	if _, err := h.verdict(before, h.zone()); err != nil {
		t.Error(err)
	}
}

func TestEachAlgorithmHasItsOwnKeys(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	h.rotate(noon)
	if got := h.states(); got != "mm1 retired, mm1-ed retired, mm2 current, mm2-ed current" {
		t.Fatal(got)
	}
	if got := h.verdicts(h.stamp(sample)); got != "pass, pass" {
		t.Error(got)
	}
	alone := OpenKeys(t.TempDir(), Options{Algorithms: []string{Ed25519}})
	h.must(alone.Ensure(testDomain, noon))
	only := &fixture{t: t, keys: alone}
	if got := only.states() + ": " + only.verdicts(only.stamp(sample)); got != "mm1-ed current: pass" {
		t.Error(got)
	}
}

func TestAKeyThatWasBroughtAlongIsNextUnderItsOwnSelector(t *testing.T) {
	h := newFixture(t, Options{})
	der := func(private any, err error) []byte {
		h.must(err)
		b, err := x509.MarshalPKCS8PrivateKey(private)
		h.must(err)
		return b
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	edDER := der(ed, err)
	for name, b := range map[string][]byte{
		"nothing": nil, "cut short": edDER[:20], "a short RSA key": der(rsa.GenerateKey(rand.Reader, 1024)),
		"ECDSA": der(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
	} {
		if err := h.keys.Import(testDomain, "", b, noon); err == nil || !strings.Contains(err.Error(), "PKCS #8") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{"S", "a.b", "-a", "a-", "a_b", "ü", strings.Repeat("a", 33), "a b"} {
		if err := h.keys.Import(testDomain, s, edDER, noon); err == nil || !strings.Contains(err.Error(), "selector") {
			t.Errorf("selector %q: %v", s, err)
		}
	}
	if err := h.keys.Import(testDomain, "mm1", edDER, noon); !errors.Is(err, keyset.ErrKnown) {
		t.Errorf("a selector that is taken: %v", err)
	}
	rsaDER, _ := pem.Decode(mustRSA(t))
	if err := h.keys.Import(testDomain, "s1", rsaDER.Bytes, noon); !errors.Is(err, keyset.ErrKnown) {
		t.Errorf("the key that signs: %v", err)
	}
	fresh := der(rsa.GenerateKey(rand.Reader, rsaBits))
	h.must(h.keys.Import(testDomain, "s2026", fresh, noon))
	if err := h.keys.Import(testDomain, "s2027", der(rsa.GenerateKey(rand.Reader, rsaBits)), noon); !errors.Is(err,
		keyset.ErrHasNext) {
		t.Errorf("a second: %v", err)
	}
	h.must(h.keys.Switch(testDomain, "s2026", noon))
	if s, err := h.verdict(h.stamp(sample), h.zone()); s != "s2026" || err != nil {
		t.Errorf("%s %v", s, err)
	}
	if info, err := os.Stat(h.path("dkim-s2026.pem")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func mustRSA(t *testing.T) []byte {
	t.Helper()
	b, err := rsaPEM()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestADamagedStateFileIsAnErrorAndStaysAsItIs(t *testing.T) {
	h := newFixture(t, Options{})
	h.rotate(noon)
	b, err := os.ReadFile(h.path(stateFile))
	h.must(err)
	good := string(b)
	change := func(old, new string) string {
		out := strings.Replace(good, old, new, 1)
		if out == good {
			t.Fatalf("%q is not in %s", old, good)
		}
		return out
	}
	for name, content := range map[string]string{
		"empty":                     "",
		"cut short":                 good[:len(good)/2],
		"no keys":                   `{"keys":[]}`,
		"something after it":        good + "{}",
		"unknown member":            change(`"p":`, `"q":`),
		"another algorithm":         change(`"rsa"`, `"ed25519"`),
		"an algorithm of nobody":    change(`"rsa"`, `"dsa"`),
		"a file elsewhere":          change(`"dkim-mm2.pem"`, `"../dkim-mm2.pem"`),
		"no file":                   change(`"file": "dkim-mm2.pem",`, ""),
		"a selector of two labels":  change(`"mm2"`, `"a.b"`),
		"a selector twice":          change(`"mm2"`, `"mm1"`),
		"p of another key":          change(`"p": "MIIB`, `"p": "MIIC`),
		"p with a line break":       change(`"p": "MIIB`, `"p": "\nMIIB`),
		"a reason, and not revoked": change(`"retired"`, `"reason": "ceased", "retired"`),
	} {
		h.replace(stateFile, content)
		for _, k := range []*Keyring{h.keys, OpenKeys(h.dir, Options{})} {
			_, err1 := k.Records(testDomain)
			_, err2 := NewStamper(k).Stamp(context.Background(), released(), []byte(sample))
			if err1 == nil || err2 == nil || k.Ensure(testDomain, noon) == nil {
				t.Errorf("%s: records %v, stamp %v", name, err1, err2)
			}
		}
		if b, err := os.ReadFile(h.path(stateFile)); err != nil || string(b) != content {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	h.replace(stateFile, good)
	if got := h.verdicts(h.stamp(sample)); got != "pass" {
		t.Errorf("the restored file does not sign: %s", got)
	}
	h.must(os.Chmod(h.path(stateFile), 0o644))
	if _, err := h.keys.Records(testDomain); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("open to others: %v", err)
	}
}

// Many rotations cost one state file and one private half.
func TestFilesDoNotPileUp(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	for range 2 {
		h.rotate(noon)
	}
	files, err := os.ReadDir(h.path(""))
	h.must(err)
	if len(files) != 3 {
		t.Errorf("%v", files)
	}
}
