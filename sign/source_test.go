package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

// fromRecords verifies a mail with keys of these records alone.
func fromRecords(eml string, records ...string) Verification {
	return Verify([]byte(eml), Lookup{Document: func(_, kid string) ([]byte, error) { return FromTXT(records, kid) }})
}

func TestAKeyOfTheDNS(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	name, record, err := h.keys.DNS(testDomain)
	if err != nil || name != RecordName("EXAMPLE.com") {
		t.Fatalf("%s, %v", name, err)
	}
	_, other, err := newFixture(t).keys.DNS(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	for name, records := range map[string][]string{
		"one record":                  {record},
		"beside other text":           {"spf2.0/pra", "", record, "google-site-verification=x"},
		"beside the key of later":     {other, record},
		"the same twice":              {record, record},
		"closed by a semicolon":       {record + ";"},
		"with a tag of a later time":  {record + "; t=x"},
		"without blanks":              {strings.ReplaceAll(record, " ", "")},
		"blanks around the separator": {strings.ReplaceAll(record, "; ", " ;\t")},
	} {
		if v := fromRecords(eml, records...); v.Status != Valid {
			t.Errorf("%s: %+v", name, v)
		}
	}
	kid := record[strings.Index(record, "kid=")+4:][:kidLength]
	key := record[strings.Index(record, "p=")+2:]
	forgery := strings.Replace(other, other[strings.Index(other, "kid=")+4:][:kidLength], kid, 1)
	many := make([]string, maxRecords+1)
	for i := range many {
		many[i] = record
	}
	for name, records := range map[string][]string{
		"no record":                              {},
		"no record of this kid":                  {other},
		"another key under the kid":              {forgery},
		"another key under the kid beside it":    {record, forgery},
		"the kid twice, otherwise written":       {record, record + ";"},
		"a second v= record":                     {record, "v=spf1 -all"},
		"a second version":                       {record, strings.Replace(record, "MMID1", "MMID2", 1)},
		"v in upper case":                        {record, "V=MMID1"},
		"the version is not first":               {"kid=" + kid + "; v=MMID1; alg=ES256; p=" + key},
		"a record that was cut":                  {record[:len(record)-8]},
		"a record that was cut between two tags": {record[:strings.Index(record, "; p=")]},
		"two p":                                  {record + "; p=" + key},
		"another algorithm":                      {strings.Replace(record, "ES256", "none", 1)},
		"an empty key":                           {strings.Replace(record, key, "", 1)},
		"base64url":                              {strings.Replace(record, key, "-_"+key[2:], 1)},
		"too many":                               many,
	} {
		if v := fromRecords(eml, records...); v.Status != Invalid || failed(v) != "key" {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func pemOf(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestAKeyOfAFile(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	doc, err := h.keys.Document(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(doc, &whole); err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": whole["keys"]})
	if err != nil {
		t.Fatal(err)
	}
	delete(whole, "keys")
	single, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	_, record, err := h.keys.DNS(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(record[strings.Index(record, "p=")+2:])
	if err != nil {
		t.Fatal(err)
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"key document": doc, "JWK set": set, "JWK": single, "PEM": own,
		"two keys in PEM": append(pemOf(t, &other.PublicKey), own...),
		"blanks around":   []byte("\n " + string(doc) + "\n\n"),
	} {
		b, err := FromFile(file)
		v := Verify([]byte(eml), Lookup{Document: func(string, string) ([]byte, error) { return b, err }})
		if v.Status != Valid {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestFilesThatHoldNoKey(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"empty": {}, "blank": []byte(" \n"), "text": []byte("hello"), "array": []byte("[]"),
		"another curve": pemOf(t, &p384.PublicKey), "RSA": pemOf(t, &weak.PublicKey),
		"private": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		"cut":     pemOf(t, &p384.PublicKey)[:60],
		"no DER":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
	} {
		if b, err := FromFile(file); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func TestAReportNamesEveryCheckThatWasMadeAndThatWasNot(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	for name, tt := range map[string]struct {
		v          Verification
		status     string
		source     string
		notChecked string
		claims     bool
	}{
		"valid": {h.verify(eml), Valid, "https", "dkim", true},
		"other": {h.verify(strings.Replace(eml, "here it is", "gone", 1)), Unbound, "https", "dkim", true},
		"no key": {newFixture(t).verify(eml), Invalid, "https",
			"signature sender message_id body content recipients dkim date", false},
		"twice": {h.verify(eml[:strings.Index(eml, "\n")+1] + eml), Invalid, "",
			"from issuer key signature sender message_id body content recipients dkim date", false},
		"none": {h.verify(sample), None, "", "", false},
	} {
		r := tt.v.Report("https")
		if r.Status != tt.status || r.KeySource != tt.source || strings.Join(r.NotChecked, " ") != tt.notChecked ||
			(r.Claims != nil) != tt.claims || r.Summary == "" || r.Checks == nil || r.NotBound == nil {
			t.Errorf("%s: %+v", name, r)
		}
		if r.Valid != (tt.status == Valid) || len(r.Checks) != len(tt.v.Checks) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, status := range []string{Unbound, Invalid, None} {
		if r := (Verification{Status: status}).Report(""); r.Valid || strings.Contains(r.Summary, "valid") {
			t.Errorf("%s: %q", status, r.Summary)
		}
	}
}

// Whatever the DNS answers, what FromTXT lets pass is one key of the name that
// was asked for.
func FuzzFromTXT(f *testing.F) {
	const p = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6/M7oLO6Cyx+moiqxZ+9apy+QU4lEdTUJGc52v6KuEM8V163hGwY40" +
		"RU8cGyxn8rvrohlmZvKyswEZhR4RHeCA=="
	const kid = "S4kbRCaBt1NrcNRQ"
	f.Add("v=MMID1; kid="+kid+"; alg=ES256; p="+p, "v=spf1 -all")
	f.Add("v=MMID1; kid="+kid+"; alg=ES256; p="+p, "google=x")
	f.Add("v=MMID1;", "")
	if _, err := FromTXT([]string{"v=MMID1; kid=" + kid + "; alg=ES256; p=" + p}, kid); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		doc, err := FromTXT([]string{a, b}, kid)
		if err != nil {
			return
		}
		if k, err := find(doc, kid); err != nil || k.Name != kid {
			t.Errorf("%s: %v", doc, err)
		}
	})
}
