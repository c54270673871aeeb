package rotation

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/sign"
)

// Two mails a day for seven weeks, while the keys change by themselves.
// Each verifies at every time after, with a key document up to a day old.
func TestEveryMailOfAStreamVerifiesBeforeDuringAndAfterARotation(t *testing.T) {
	h := newFixture(t, Options{Every: 15 * 24 * time.Hour})
	h.publish()
	const step, day = 12 * time.Hour, 2
	var mails []string
	var docs [][]byte
	for i := range 50 * day {
		h.advance(step)
		if i%(3*day) == 0 { // somebody looks after the DNS twice a week
			h.publish()
		}
		doc, err := h.identity.Document(domain)
		h.must(err)
		docs = append(docs, doc)
		m := h.Approve(h.Submit())
		h.RunQueue(func() bool { return len(h.Hop.Sent()) == i+1 })
		wire := h.Hop.Sent()[i]
		if wire.ID != m.ID {
			t.Fatalf("another mail was sent")
		}
		mails = append(mails, wire.Bytes)
		for _, cached := range []int{i, max(0, i-day)} {
			for _, j := range []int{i, i - 1, i - day, i - 20*day, 0} {
				if j < 0 {
					continue
				}
				v := sign.Verify([]byte(mails[j]), sign.Lookup{
					Document: func(string, string) ([]byte, error) { return docs[cached], nil },
					TXT:      func(name string) ([]string, error) { return []string{h.zone[name]}, nil },
				})
				if v.Status != sign.Valid {
					t.Fatalf("mail %d at step %d, document of step %d: %s %+v", j, i, cached, v.Status, v.Checks)
				}
			}
		}
	}
	if n := h.counts(); n[audit.SigningKeyRotate] != 5 || n[audit.SigningKeyDiffer] != 0 {
		t.Errorf("%v\n%s", n, strings.Join(h.entries(), "\n"))
	}
}

func TestARotationWaitsForTheCachesAndForTheDNS(t *testing.T) {
	h := newFixture(t, Options{})
	h.publish()
	h.advance(1000 * time.Hour) // rotate_every is not set
	if got := h.states(); got != "current mm1-ed:current" {
		t.Fatal(got)
	}
	h.must(h.keeper.Rotate(t.Context(), h.admin(), domain, ""))
	for _, tt := range []struct {
		after time.Duration
		do    func()
		want  string
	}{
		{0, func() {}, "next current mm2-ed:next mm1-ed:current"},
		{keyset.Wait - time.Second, func() {}, "next current mm2-ed:next mm1-ed:current"},
		{time.Second, func() {}, "current retired mm2-ed:next mm1-ed:current"},
		{1000 * time.Hour, func() { h.publish(); h.dns = errDNS }, "current retired mm2-ed:next mm1-ed:current"},
		{time.Hour, func() { h.dns = nil }, "current retired mm2-ed:next mm1-ed:current"}, // seen now
		{keyset.Wait, func() { clear(h.zone) }, "current retired mm2-ed:next mm1-ed:current"},
		{time.Hour, func() { h.publish(); h.Doubt.Store(true) }, "current retired mm2-ed:next mm1-ed:current"},
		{time.Hour, func() { h.Doubt.Store(false) }, "current retired mm2-ed:current mm1-ed:retired"},
		{89 * 24 * time.Hour, func() {}, "current retired mm2-ed:current mm1-ed:retired"},
		{25 * time.Hour, func() {}, "current retired mm2-ed:current"},
	} {
		tt.do()
		h.advance(tt.after)
		if got := h.states(); got != tt.want {
			t.Fatalf("after %s more: %s, want %s", tt.after, got, tt.want)
		}
	}
	want := `signing_key.add system identity 
signing_key.add system dkim 
signing_key.add admin identity 
signing_key.add admin dkim 
signing_key.rotate system identity 
signing_key.rotate system dkim 
signing_key.drop system dkim `
	if got := strings.Join(h.entries(), "\n"); got != want {
		t.Errorf("%s", got)
	}
}

func TestWithoutDNSNoDKIMKeyIsSwitchedTo(t *testing.T) {
	h := newFixture(t, Options{})
	h.keeper.o.Published = nil
	h.must(h.keeper.Rotate(t.Context(), h.admin(), domain, DKIM))
	h.advance(1000 * time.Hour)
	keys, err := h.keeper.Keys(t.Context(), domain)
	h.must(err)
	if got := h.states(); got != "current mm2-ed:next mm1-ed:current" || !strings.Contains(keys[1].Wait, "DNS") {
		t.Errorf("%s, %+v", got, keys)
	}
}

func TestACompromisedKeyIsReplacedAtOnceAndDKIMAsSoonAsItsRecordIsSeen(t *testing.T) {
	h := newFixture(t, Options{})
	h.publish()
	h.must(h.keeper.Replace(t.Context(), h.admin(), domain, ""))
	if got := h.states(); got != "current revoked mm2-ed:next mm1-ed:revoked" {
		t.Fatal(got)
	}
	m := h.Approve(h.Submit())
	h.RunQueue(func() bool { return h.Mail(m.ID).NextAttempt.After(h.Clock.Now()) || len(h.Hop.Sent()) > 0 })
	if len(h.Hop.Sent()) > 0 {
		t.Fatal("a mail left without a key")
	}
	h.publish()
	h.advance(time.Hour)
	if got := h.states(); got != "current revoked mm2-ed:current mm1-ed:revoked" {
		t.Fatal(got)
	}
	h.RunQueue(func() bool { return len(h.Hop.Sent()) == 1 })
	if n := h.counts(); n[audit.SigningKeyRevoke] != 2 || n[audit.SigningKeyDiffer] != 0 {
		t.Errorf("%v", h.entries())
	}
}

// The private halves of a next key lie where those of the current one do: who had
// the one has the other, and it must not take over.
func TestTheNextKeysAreRevokedWithTheCompromisedOnes(t *testing.T) {
	h := newFixture(t, Options{})
	h.publish()
	h.must(h.keeper.Rotate(t.Context(), h.admin(), domain, ""))
	before, err := h.keeper.Keys(t.Context(), domain)
	h.must(err)
	h.must(h.keeper.Replace(t.Context(), h.admin(), domain, ""))
	if got := h.states(); got != "current revoked revoked mm3-ed:next mm1-ed:revoked mm2-ed:revoked" {
		t.Fatal(got)
	}
	keys, err := h.keeper.Keys(t.Context(), domain)
	h.must(err)
	for _, was := range before {
		if !slices.ContainsFunc(keys, func(k Key) bool {
			return k.Name == was.Name && k.State() == keyset.Revoked && k.Reason == keyset.Compromised
		}) {
			t.Errorf("%s key %s, which was %s, is not revoked", was.Purpose, was.Name, was.State())
		}
	}
	// A second theft, before the DKIM key signs.
	h.must(h.keeper.Replace(t.Context(), h.admin(), domain, DKIM))
	if got := h.states(); !strings.Contains(got, " mm4-ed:next ") || !strings.Contains(got, " mm3-ed:revoked") {
		t.Fatal(got)
	}
	h.publish()
	h.advance(time.Hour)
	if got := h.states(); !strings.HasPrefix(got, "current revoked revoked mm4-ed:current ") {
		t.Fatal(got)
	}
	if n := h.counts(); n[audit.SigningKeyRevoke] != 5 || n[audit.SigningKeyDiffer] != 0 {
		t.Errorf("%v", h.entries())
	}
}

func TestOnlyAnAdminChangesKeys(t *testing.T) {
	h := newFixture(t, Options{})
	pkcs8 := func() []byte {
		p, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		h.must(err)
		b, err := x509.MarshalPKCS8PrivateKey(p)
		h.must(err)
		return b
	}()
	ctx := t.Context()
	for name, who := range map[string]registry.Principal{"agent": h.Agent, "approver": h.Approver, "nobody": {}} {
		before := h.states()
		for op, err := range map[string]error{
			"rotate":  h.keeper.Rotate(ctx, who, domain, ""),
			"replace": h.keeper.Replace(ctx, who, domain, ""),
			"revoke":  h.keeper.Revoke(ctx, who, domain, "mm1-ed", string(keyset.Ceased)),
			"import":  h.keeper.Import(ctx, who, domain, Identity, "", pkcs8),
		} {
			if !errors.Is(err, registry.ErrForbidden) && !errors.Is(err, registry.ErrCredentials) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
		if h.states() != before {
			t.Errorf("%s changed a key", name)
		}
	}
	for name, err := range map[string]error{
		"another domain":        h.keeper.Rotate(ctx, h.admin(), "other.test", ""),
		"another purpose":       h.keeper.Rotate(ctx, h.admin(), domain, "tls"),
		"no such key":           h.keeper.Revoke(ctx, h.admin(), domain, "mm9", string(keyset.Ceased)),
		"no such reason":        h.keeper.Revoke(ctx, h.admin(), domain, "mm1-ed", "lost"),
		"a selector for a kid":  h.keeper.Import(ctx, h.admin(), domain, Identity, "s1", pkcs8),
		"a key for DKIM":        h.keeper.Import(ctx, h.admin(), domain, DKIM, "", pkcs8),
		"import to no purpose":  h.keeper.Import(ctx, h.admin(), domain, "", "", pkcs8),
		"keys of a stranger":    func() error { _, err := h.keeper.Keys(ctx, "other.test"); return err }(),
		"replace of a stranger": h.keeper.Replace(ctx, h.admin(), "other.test", ""),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	h.must(h.keeper.Import(ctx, h.admin(), domain, Identity, "", pkcs8))
	if got := h.states(); got != "next current mm1-ed:current" {
		t.Error(got)
	}
}

// A copy of the key files from before a revocation is put back.
func TestAChangeByOtherHandsIsRecordedAsOne(t *testing.T) {
	h := newFixture(t, Options{})
	path := filepath.Join(h.Dir, "keys", domain, "identity.json")
	old, err := os.ReadFile(path)
	h.must(err)
	h.must(h.keeper.Replace(t.Context(), h.admin(), domain, Identity))
	h.must(os.WriteFile(path, old, 0o600))
	h.advance(time.Hour)
	if n := h.counts(); n[audit.SigningKeyDiffer] != 2 { // revoked is current, current is gone
		t.Errorf("%v", h.entries())
	}
	h.advance(time.Hour)
	if n := h.counts(); n[audit.SigningKeyDiffer] != 2 {
		t.Errorf("recorded again: %v", h.entries())
	}
}

// The store fails after the files were changed: the entry is written later.
func TestAChangeThatCouldNotBeRecordedIsRecordedLater(t *testing.T) {
	h := newFixture(t, Options{})
	real := h.keeper.o.Store
	h.keeper.o.Store = failing{real}
	if err := h.keeper.Rotate(t.Context(), h.admin(), domain, Identity); err == nil ||
		!strings.Contains(err.Error(), "not recorded yet") {
		t.Errorf("%v", err)
	}
	h.keeper.o.Store = real
	before := h.counts()[audit.SigningKeyAdd]
	h.must(h.keeper.Note(t.Context()))
	if after := h.counts()[audit.SigningKeyAdd]; after != before+1 {
		t.Errorf("%d entries, then %d", before, after)
	}
}

type failing struct{ store.Store }

func (failing) Update(context.Context, func(store.Tx) error) error { return errors.New("disk full") }
