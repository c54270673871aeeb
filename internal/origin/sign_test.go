package origin

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/message"
)

// testKey signs for every domain of the tests, testRecord is what they publish.
var (
	testKey    = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	testRecord = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(testKey.Public().(ed25519.PublicKey))
)

// keyOf is the name of the key record of a domain.
func keyOf(domain string) string { return "TXT s._domainkey." + domain }

// signed returns a message with a DKIM signature of a domain.
func signed(t *testing.T, raw []byte, domain string, fields ...string) []byte {
	t.Helper()
	if fields == nil {
		fields = []string{"From", "Subject"}
	}
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: "s", Signer: testKey, HeaderKeys: fields,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sealed returns a message with one more ARC set, of a domain that says said. names are
// those that the signature covers.
func sealed(raw []byte, domain, cv, said, names string) []byte {
	e := newExamination(Mail{Raw: raw}, Options{})
	n := len(e.all(arcSeal)) + 1
	field := func(name, value string) message.RawField {
		return message.RawField{Name: name, Raw: []byte(name + ": " + value + "\r\n")}
	}
	results := field(arcResults, fmt.Sprintf("i=%d; %s", n, said))
	sig := field(arcMessage, fmt.Sprintf("i=%d; a=ed25519-sha256; c=relaxed/relaxed; d=%s; s=s; h=%s; bh=%s; b=",
		n, domain, names, message.BodyHash(raw)))
	var text strings.Builder
	for _, f := range e.pick(strings.Split(names, ":"), sig) {
		text.WriteString(relaxed(f))
	}
	sig = signField(sig, text.String())
	text.Reset()
	sets, _ := e.chain()
	for _, s := range sets {
		text.WriteString(relaxed(s.results) + relaxed(s.message) + relaxed(s.seal))
	}
	text.WriteString(relaxed(results) + relaxed(sig))
	seal := field(arcSeal, fmt.Sprintf("i=%d; a=ed25519-sha256; t=1; cv=%s; d=%s; s=s; b=", n, cv, domain))
	seal = signField(seal, text.String())
	return bytes.Join([][]byte{seal.Raw, sig.Raw, results.Raw, raw}, nil)
}

// signField appends the signature over text, and the field, to the field.
func signField(f message.RawField, text string) message.RawField {
	sum := sha256.Sum256([]byte(text + strings.TrimSuffix(relaxed(f), "\r\n")))
	b := base64.StdEncoding.EncodeToString(ed25519.Sign(testKey, sum[:]))
	f.Raw = append(bytes.TrimSuffix(bytes.Clone(f.Raw), []byte("\r\n")), b+"\r\n"...)
	return f
}
