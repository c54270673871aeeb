package sign

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEnsureMakesOneKeyThatNobodyElseCanRead(t *testing.T) {
	h := newFixture(t)
	for path, want := range map[string]fs.FileMode{
		h.path():                     0o600,
		filepath.Dir(h.path()):       0o700 | fs.ModeDir,
		filepath.Join(h.dir, "keys"): 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	files, err := os.ReadDir(filepath.Dir(h.path()))
	if err != nil || len(files) != 1 {
		t.Errorf("the directory holds %v, %v", files, err)
	}
	before, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keyring{h.keys, OpenKeys(h.dir)} { // also after a restart
		if err := k.Ensure("EXAMPLE.com", noon); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.ReadFile(h.path()); err != nil || string(after) != string(before) {
		t.Errorf("Ensure changed the file: %v", err)
	}
}

func TestTwoWhoEnsureAtOnceGetTheSameKey(t *testing.T) {
	dir := t.TempDir()
	docs := make([]string, 8)
	var wg sync.WaitGroup
	for i := range docs {
		wg.Go(func() {
			k := OpenKeys(dir)
			if err := k.Ensure(testDomain, noon); err != nil {
				t.Error(err)
			}
			b, err := k.Document(testDomain)
			if err != nil {
				t.Error(err)
			}
			docs[i] = string(b)
		})
	}
	wg.Wait()
	for _, d := range docs {
		if d != docs[0] {
			t.Fatalf("%s\n%s", d, docs[0])
		}
	}
}

func TestEnsureRefusesNamesThatAreNoDomains(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", ".", "..", "../x.test", "a/b.test", "/etc", "a..b", "x.test/", "localhost",
		"a\x00.test"} {
		if err := OpenKeys(dir).Ensure(name, noon); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("something was written: %v, %v", files, err)
	}
	if err := OpenKeys(dir).Ensure(testDomain, time.Time{}); err == nil {
		t.Error("a key without a time was made")
	}
}

// Invariant 7: a key that cannot be trusted is never replaced, and nothing is signed.
func TestADamagedKeyFileIsAnErrorAndStaysAsItIs(t *testing.T) {
	h := newFixture(t)
	good, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	other := newFixture(t)
	foreign, err := os.ReadFile(other.path())
	if err != nil {
		t.Fatal(err)
	}
	field := func(b []byte, name string) string {
		_, rest, _ := strings.Cut(string(b), `"`+name+`": "`)
		v, _, _ := strings.Cut(rest, `"`)
		return v
	}
	swap := func(name, to string) string { return strings.Replace(string(good), field(good, name), to, 1) }
	for name, content := range map[string]string{
		"empty":                       "",
		"cut short":                   string(good[:len(good)/2]),
		"zeros":                       strings.Repeat("\x00", len(good)),
		"no keys":                     `{"agent_ref_key":"` + field(good, "agent_ref_key") + `","keys":[]}`,
		"something after it":          string(good) + "{}",
		"unknown member":              strings.Replace(string(good), `"d":`, `"e":"","d":`, 1),
		"short secret for refs":       swap("agent_ref_key", "AAAA"),
		"another curve":               swap("crv", "P-384"),
		"another kid":                 swap("kid", "AAAAAAAAAAAAAAAA"),
		"a point off the curve":       swap("x", field(good, "y")),
		"the private half is lost":    swap("d", ""),
		"the private half is zero":    swap("d", encode(make([]byte, 32))),
		"the private half of another": swap("d", field(foreign, "d")),
		"no time of creation":         swap("created", "0001-01-01T00:00:00Z"),
		"retired before it began":     strings.Replace(string(good), `"activated"`, `"retired"`, 1),
		"nothing signs": strings.Replace(string(good), `"activated"`,
			`"retired": "2026-03-04T00:00:00Z", "activated"`, 1),
	} {
		h.write([]byte(content))
		for _, k := range []*Keyring{h.keys, OpenKeys(h.dir)} {
			_, err1 := NewStamper(k).Stamp(context.Background(), released(t, sample), []byte(sample))
			_, err2 := k.Document(testDomain)
			_, _, err3 := k.DNS(testDomain)
			if err1 == nil || err2 == nil || err3 == nil || k.Ensure(testDomain, noon) == nil {
				t.Errorf("%s: stamp %v, document %v, record %v", name, err1, err2, err3)
			}
		}
		if b, err := os.ReadFile(h.path()); err != nil || string(b) != content {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	h.write(good)
	if v := h.verify(h.stamped()); v.Status != Valid {
		t.Errorf("the restored file does not sign: %+v", v)
	}
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	h := newFixture(t)
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false,
		0o601: false} {
		if err := os.Chmod(h.path(), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := h.keys.Document(testDomain); (err == nil) != ok {
			t.Errorf("%04o: %v", mode, err)
		}
	}
}

func TestAKeyFileThatDisappearsIsNoticed(t *testing.T) {
	h := newFixture(t)
	h.stamped()
	if err := os.Remove(h.path()); err != nil {
		t.Fatal(err)
	}
	_, err := NewStamper(h.keys).Stamp(context.Background(), released(t, sample), []byte(sample))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stamped with a key that is gone: %v", err)
	}
	if err := os.Mkdir(h.path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.keys.Ensure(testDomain, noon); err == nil {
		t.Error("a directory was taken for a key")
	}
}

func TestNextCurrentAndRetiredKeys(t *testing.T) {
	h := newFixture(t)
	fresh := func() *key {
		k, err := newKey(nil, testDomain, noon.Add(-96*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		k.Activated = k.Created
		return k
	}
	oldest, old, current, next := fresh(), fresh(), fresh(), fresh()
	h.rewrite(oldest)
	fromOldest := h.stamped()
	h.rewrite(old)
	fromOld := h.stamped()
	next.Activated = time.Time{}
	old.Retired, old.private = noon, nil // the last mail of old is of this second
	oldest.Retired = noon.Add(-time.Hour)
	h.rewrite(oldest, current, old, next)

	d, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range []*key{next, current, old, oldest} {
		if d.keys[i].Name != k.Name {
			t.Errorf("key %d is out of order", i)
		}
	}
	if v := h.verify(fromOld); v.Status != Valid {
		t.Errorf("mail from before the retirement: %+v", v)
	}
	if v := h.verify(fromOldest); v.Status != Invalid || failed(v) != "key" {
		t.Errorf("mail from after the retirement: %+v", v)
	}
	now := h.stamped()
	if v := h.verify(now); v.Status != Valid || !strings.Contains(part(t, tokenOf(t, now), 0), current.Name) {
		t.Errorf("mail of today: %+v", v)
	}
	b, err := h.keys.Document(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `"d"`) || strings.Count(string(b), "retired_at") != 2 ||
		strings.Count(string(b), "nbf") != 3 {
		t.Errorf("document %s", b)
	}
	next.Activated = noon // two would sign
	h.rewrite(current, next)
	if _, err := h.keys.Document(testDomain); err == nil {
		t.Error("two current keys were taken")
	}
	third := fresh()
	third.Activated, next.Activated = time.Time{}, time.Time{}
	h.rewrite(current, next, third)
	if _, err := h.keys.Document(testDomain); err == nil {
		t.Error("two next keys were taken")
	}
}

func TestAKeyIsNamedByItsThumbprint(t *testing.T) {
	// The key of RFC 7517, appendix A.1, and its thumbprint as others compute it.
	j := jwk{Kty: "EC", Crv: "P-256", Kid: "AAAAAAAAAAAAAAAA",
		X: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", Y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}
	if j.name() != "cn-I_WNMClehiVp5" {
		t.Errorf("thumbprint %s", j.name())
	}
	if _, err := j.publicKey(); err == nil {
		t.Error("a key under another name was taken")
	}
	j.Kid = j.name()
	if _, err := j.publicKey(); err != nil {
		t.Error(err)
	}
}

func TestShortCoordinatesKeepTheirZeros(t *testing.T) {
	for range 2000 { // one in 128 keys has such a coordinate
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			t.Fatal(err)
		}
		k := keyOf(t, secret)
		j, err := k.jwk()
		if err != nil || len(j.X) != 43 || len(j.Y) != 43 {
			t.Fatalf("%+v %v", j, err)
		}
		if back, err := j.publicKey(); err != nil || !back.Equal(k.public) {
			t.Fatalf("%+v %v", j, err)
		}
	}
}
