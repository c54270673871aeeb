package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/keyset"
)

// kid returns the name of the key in a state.
func (h *fixture) kid(s keyset.State) string {
	h.t.Helper()
	keys, err := h.keys.Keys(testDomain)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, k := range keys {
		if k.State() == s {
			return k.Name
		}
	}
	h.t.Fatalf("no key is %s: %+v", s, keys)
	return ""
}

func (h *fixture) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// at stamps a mail that is released at a time.
func (h *fixture) at(when time.Time) string {
	h.t.Helper()
	m := released(h.t, sample)
	m.Release.At = when
	return h.stamp(m, sample)
}

// The next key is published for two days; mail of before, between and after
// verifies at all times, also with a document that is a day old.
func TestMailVerifiesBeforeDuringAndAfterARotation(t *testing.T) {
	h := newFixture(t)
	var mails []string
	var docs [][]byte
	document := func() []byte {
		b, err := h.keys.Document(testDomain)
		h.must(err)
		return b
	}
	first := h.kid(keyset.Current)
	const step = 6 * time.Hour
	for i := range 18 {
		now := noon.Add(time.Duration(i) * step)
		switch i {
		case 4:
			h.must(h.keys.Prepare(testDomain, now))
			h.must(h.keys.Prepare(testDomain, now)) // once is enough
		case 4 + int(keyset.Wait/step):
			h.must(h.keys.Switch(testDomain, h.kid(keyset.Next), now))
		}
		mails, docs = append(mails, h.at(now)), append(docs, document())
		for _, cached := range []int{i, max(0, i-1), max(0, i-int(24*time.Hour/step))} {
			doc := func(string, string) ([]byte, error) { return docs[cached], nil }
			for j, eml := range mails {
				if v := Verify([]byte(eml), Lookup{Document: doc}); v.Status != Valid {
					t.Fatalf("mail of step %d in step %d, document of step %d: %+v", j, i, cached, v)
				}
			}
		}
	}
	if h.kid(keyset.Retired) != first || h.kid(keyset.Current) == first {
		t.Error("the key was not changed")
	}
	b, err := os.ReadFile(h.path())
	h.must(err)
	if strings.Count(string(b), `"d":`) != 1 {
		t.Errorf("the private half of the retired key is still there: %s", b)
	}
}

// A thief has the private half and every claim of an old mail: he writes another
// with a time before the theft.
func TestABackdatedTokenOfACompromisedKeyFails(t *testing.T) {
	h := newFixture(t)
	honest := h.at(noon)
	stolen, stolenKey := h.kid(keyset.Current), newStolen(h)
	h.must(h.keys.Revoke(testDomain, stolen, keyset.Compromised, noon.Add(time.Hour)))
	forged := stolenKey.at(noon.Add(-time.Minute))
	record := func(received time.Time) Lookup {
		l := h.lookup()
		l.ReceivedAt = received
		return l
	}
	for _, tt := range []struct {
		name, eml, status string
		received          time.Time
		says              string
	}{
		{"backdated", forged, Invalid, time.Time{}, "compromised"},
		{"real, and nobody can tell", honest, Invalid, time.Time{}, "compromised"},
		{"real, received after", honest, Invalid, noon.Add(2 * time.Hour), "compromised"},
		{"real, received in the second of the revocation", honest, Invalid, noon.Add(time.Hour), "compromised"},
		{"real, received before", honest, Valid, noon.Add(time.Second), "received before"},
		{"of the new key", h.at(noon.Add(2 * time.Hour)), Valid, time.Time{}, ""},
	} {
		v := Verify([]byte(tt.eml), record(tt.received))
		if v.Status != tt.status || !strings.Contains(checkNamed(v, "key").Detail, tt.says) {
			t.Errorf("%s: %s, %+v", tt.name, v.Status, checkNamed(v, "key"))
		}
		if tt.status == Invalid && failed(v) != "key" {
			t.Errorf("%s: failed %s", tt.name, failed(v))
		}
	}
}

// newStolen returns a fixture with the keys as they are now, which stay so.
func newStolen(h *fixture) *fixture {
	h.t.Helper()
	b, err := os.ReadFile(h.path())
	h.must(err)
	thief := newFixture(h.t)
	thief.write(b)
	return thief
}

func checkNamed(v Verification, name string) Check {
	for _, c := range v.Checks {
		if c.Name == name {
			return c
		}
	}
	return Check{}
}

func TestARevocationForAnotherReasonLeavesOldMailValid(t *testing.T) {
	for _, reason := range []keyset.Reason{keyset.Superseded, keyset.Ceased} {
		h := newFixture(t)
		before := h.at(noon)
		old := newStolen(h)
		h.must(h.keys.Revoke(testDomain, h.kid(keyset.Current), reason, noon.Add(time.Hour)))
		if v := h.verify(before); v.Status != Valid || !strings.Contains(checkNamed(v, "key").Detail, string(reason)) {
			t.Errorf("%s: mail of before: %s, %+v", reason, v.Status, v.Checks)
		}
		if v := h.verify(old.at(noon.Add(2 * time.Hour))); v.Status != Invalid || failed(v) != "key" {
			t.Errorf("%s: mail of after: %s", reason, v.Status)
		}
		// It turns out that it was stolen after all.
		h.must(h.keys.Revoke(testDomain, h.kid(keyset.Revoked), keyset.Compromised, noon.Add(9*time.Hour)))
		if v := h.verify(before); v.Status != Invalid || failed(v) != "key" {
			t.Errorf("%s, then compromised: %s", reason, v.Status)
		}
	}
}

// What a document leaves out is not guessed in the sender's favour.
func TestARevocationThatIsNotSpelledOutCountsAsCompromised(t *testing.T) {
	h := newFixture(t)
	eml := h.at(noon)
	doc, err := h.keys.Document(testDomain)
	h.must(err)
	for _, tt := range []struct{ name, member, status string }{
		{"as it is", `"state":"current"`, Valid},
		{"next, as a cached document may say", `"state":"next"`, Valid},
		{"revoked, no time, no reason", `"state":"revoked"`, Invalid},
		{"revoked, no reason", `"state":"revoked","revoked_at":4000000000`, Invalid},
		{"a reason of another version", `"state":"revoked","revoked_at":4000000000,"reason":"lost"`, Invalid},
		{"a time alone", `"revoked_at":4000000000`, Invalid},
		{"a reason alone", `"reason":"ceased"`, Invalid},
		{"ceased later", `"state":"revoked","revoked_at":4000000000,"reason":"ceased"`, Valid},
		{"compromised later", `"state":"revoked","revoked_at":4000000000,"reason":"compromised"`, Invalid},
		{"retired, no time", `"state":"retired"`, Invalid},
		{"retired before", `"state":"retired","retired_at":1`, Invalid},
		{"a state of another version", `"state":"paused"`, Invalid},
		{"a time before all times", `"state":"retired","retired_at":-1`, Invalid},
	} {
		changed := strings.Replace(string(doc), `"state":"current"`, tt.member, 1)
		v := Verify([]byte(eml), Lookup{Document: func(string, string) ([]byte, error) { return []byte(changed), nil }})
		if v.Status != tt.status || tt.status == Invalid && failed(v) != "key" {
			t.Errorf("%s: %s, %+v", tt.name, v.Status, checkNamed(v, "key"))
		}
	}
	var d document
	h.must(json.Unmarshal(doc, &d))
	d.Keys = append(d.Keys, d.Keys[0])
	d.Keys[1].State, d.Keys[1].RevokedAt = keyset.Revoked, 1
	twice, err := json.Marshal(d)
	h.must(err)
	v := Verify([]byte(eml), Lookup{Document: func(string, string) ([]byte, error) { return twice, nil }})
	if v.Status != Invalid || !strings.Contains(checkNamed(v, "key").Detail, "two keys") {
		t.Errorf("a key that stands twice: %s", v.Status)
	}
}

func TestWhatTheTableForbidsChangesNothing(t *testing.T) {
	h := newFixture(t)
	current := h.kid(keyset.Current)
	before, err := os.ReadFile(h.path())
	h.must(err)
	for name, tt := range map[string]struct{ got, want error }{
		"switch to the current key":  {h.keys.Switch(testDomain, current, noon), keyset.ErrTransition},
		"switch to no key":           {h.keys.Switch(testDomain, "x", noon), keyset.ErrNoKey},
		"revoke no key":              {h.keys.Revoke(testDomain, "x", keyset.Ceased, noon), keyset.ErrNoKey},
		"a domain that has no keys":  {h.keys.Prepare("other.test", noon), os.ErrNotExist},
		"revoke a key of nobody's":   {h.keys.Revoke("other.test", current, keyset.Ceased, noon), os.ErrNotExist},
		"revoke for no known reason": {h.keys.Revoke(testDomain, current, "lost", noon), nil},
	} {
		if tt.got == nil || tt.want != nil && !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v", name, tt.got)
		}
	}
	if after, err := os.ReadFile(h.path()); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestAKeyThatWasBroughtAlongIsNext(t *testing.T) {
	h := newFixture(t)
	der := func(private any, err error) []byte {
		h.must(err)
		b, err := x509.MarshalPKCS8PrivateKey(private)
		h.must(err)
		return b
	}
	good := der(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("key"), "cut short": good[:40],
		"another curve": der(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"RSA":           der(rsa.GenerateKey(rand.Reader, 1024)),
	} {
		if err := h.keys.Import(testDomain, b, noon); err == nil || !strings.Contains(err.Error(), "P-256") {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.must(h.keys.Import(testDomain, good, noon))
	if err := h.keys.Import(testDomain, good, noon); !errors.Is(err, keyset.ErrHasNext) {
		t.Errorf("a second: %v", err)
	}
	kid := h.kid(keyset.Next)
	h.must(h.keys.Switch(testDomain, kid, noon))
	if eml := h.at(noon); !strings.Contains(part(t, tokenOf(t, eml), 0), kid) || h.verify(eml).Status != Valid {
		t.Error("the key that was brought along does not sign")
	}
	if err := h.keys.Import(testDomain, good, noon); !errors.Is(err, keyset.ErrKnown) {
		t.Errorf("a key that comes back: %v", err)
	}
}

func TestRecordsNameTheNextKeyBesideTheCurrent(t *testing.T) {
	h := newFixture(t)
	h.must(h.keys.Prepare(testDomain, noon))
	records, err := h.keys.Records("EXAMPLE.com")
	h.must(err)
	if len(records) != 2 || records[0].State != keyset.Next || records[1].State != keyset.Current ||
		!strings.Contains(records[0].TXT, h.kid(keyset.Next)) || records[0].Name != "_multimail-identity.example.com" {
		t.Errorf("%+v", records)
	}
	if _, txt, err := h.keys.DNS(testDomain); err != nil || txt != records[1].TXT {
		t.Errorf("%s %v", txt, err)
	}
}

// A record that was current stays as it was when its key is retired, and goes when the
// key is revoked.
func TestFormerRecordsAreThoseOfRetiredKeys(t *testing.T) {
	h := newFixture(t)
	former := func() []Record {
		list, err := h.keys.FormerRecords(testDomain)
		h.must(err)
		return list
	}
	_, before, err := h.keys.DNS(testDomain)
	h.must(err)
	if list := former(); len(list) != 0 {
		t.Errorf("before a rotation: %+v", list)
	}
	old := h.kid(keyset.Current)
	h.must(h.keys.Prepare(testDomain, noon))
	h.must(h.keys.Switch(testDomain, h.kid(keyset.Next), noon.Add(72*time.Hour)))
	list := former()
	if len(list) != 1 || list[0].TXT != before || list[0].Name != RecordName(testDomain) {
		t.Errorf("after a rotation: %+v, want %s", list, before)
	}
	h.must(h.keys.Revoke(testDomain, old, keyset.Compromised, noon.Add(96*time.Hour)))
	if list := former(); len(list) != 0 {
		t.Errorf("after the revocation: %+v", list)
	}
}

func TestAKeyThatSignedNoMoreForTenYearsIsForgotten(t *testing.T) {
	h := newFixture(t)
	h.must(h.keys.Prepare(testDomain, noon))
	h.must(h.keys.Switch(testDomain, h.kid(keyset.Next), noon))
	h.must(h.keys.Drop(testDomain, noon.Add(keepRetired)))
	if keys, err := h.keys.Keys(testDomain); err != nil || len(keys) != 2 {
		t.Errorf("%+v %v", keys, err)
	}
	h.must(h.keys.Drop(testDomain, noon.Add(keepRetired+time.Hour)))
	if keys, err := h.keys.Keys(testDomain); err != nil || len(keys) != 1 {
		t.Errorf("%+v %v", keys, err)
	}
}
