package sign

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// signer signs with DKIM as another program would.
type signer struct {
	t      *testing.T
	domain string
	key    ed25519.PrivateKey
}

func newSigner(t *testing.T, domain string) signer {
	return signer{t, domain, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))}
}

// sign returns eml with a signature over names on top.
func (s signer) sign(eml string, names ...string) string {
	s.t.Helper()
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(eml), &dkim.SignOptions{
		Domain: s.domain, Selector: "s1", Signer: s.key, Hash: crypto.SHA256, HeaderKeys: names,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

func (s signer) txt(name string) ([]string, error) {
	if name != "s1._domainkey."+s.domain {
		return nil, fmt.Errorf("no record %s", name)
	}
	return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(s.key.Public().(ed25519.PublicKey))}, nil
}

var allNames = []string{
	"From", "From", "To", "To", "Cc", "Cc", "Subject", "Subject", "Date", "Date", "Message-ID", "Message-ID",
	"MIME-Version", "MIME-Version", "Content-Type", "Content-Type", "Reply-To", HeaderName, HeaderName,
}

// The token covers no Subject. Whoever is told that a mail is valid is told as
// well what nothing covers, and with DKIM keys at hand a change is found.
func TestAChangedSubjectIsNeverSilentlyValid(t *testing.T) {
	h := newFixture(t)
	s := newSigner(t, testDomain)
	signed := s.sign(h.stamped(), allNames...)
	other := newSigner(t, "example.org")
	down := func(string) ([]string, error) { return nil, temporary{} }
	change := func(from, to string) string { return strings.Replace(signed, from, to, 1) }
	const rest = "Date From (names) To (names) Cc (names) Subject MIME-Version Content-Type"
	for _, tt := range []struct {
		name, eml string
		txt       func(string) ([]string, error)
		status    string
		failed    string
		unbound   string
	}{
		{"as it left", signed, s.txt, Valid, "", ""},
		{"as it left, without DKIM keys", signed, nil, Valid, "", rest},
		{"another Subject", change("Subject: Offer", "Subject: Other"), s.txt, Unbound, "dkim", rest},
		{"another Subject, without DKIM keys", change("Subject: Offer", "Subject: Other"), nil, Valid, "", rest},
		{"another display name", change("Example Bot <", "The Boss <"), s.txt, Unbound, "dkim", rest},
		{"another form", change("here it is", "here =\r\n  it is"), s.txt, Unbound, "body content dkim", rest},
		{"another form of the same words", change("here it is", "here\r\n it is"), s.txt, ValidText, "body dkim", rest},
		{"another Content-Type, without DKIM keys", change("text/plain", "text/html"), nil, Unbound, "content", rest},
		{"another Content-Type", change("text/plain", "text/html"), s.txt, Unbound, "content dkim", rest},
		{"a Reply-To was added", "Reply-To: eve@example.org\r\n" + signed, s.txt, Unbound, "dkim", "Reply-To " + rest},
		{"a field that nothing covers was added", "X-Priority: 1\r\n" + signed, s.txt, Valid, "", "X-Priority"},
		{"a trace field was added", "Received: from x\r\n" + signed, s.txt, Valid, "", ""},
		{"the signature was taken away", h.stamped(), s.txt, Unbound, "dkim", rest},
		{"another domain signed", other.sign(h.stamped(), allNames...), other.txt, Unbound, "dkim", rest},
		{"another domain signed as well", other.sign(signed, allNames...), s.txt, Valid, "", ""},
		{"the signature does not cover the identity", s.sign(h.stamped(), "From", "Subject"), s.txt, Unbound, "dkim",
			rest},
		{"it covers no Subject", s.sign(h.stamped(), "From", HeaderName), s.txt, Valid, "",
			"Date To (names) Cc (names) Subject MIME-Version Content-Type"},
		{"the key is not published", signed, other.txt, Unbound, "dkim", rest},
		{"too many signatures before the good one", strings.Repeat("DKIM-Signature: v=1\r\n", maxSignatures) + signed, s.txt,
			Unbound, "dkim", rest},
		{"the name server is down", signed, down, Unbound, "dkim", rest},
	} {
		v := Verify([]byte(tt.eml), Lookup{Document: h.lookup().Document, TXT: tt.txt})
		if got := strings.Join(v.Unbound, " "); v.Status != tt.status || failed(v) != tt.failed || got != tt.unbound {
			t.Errorf("%s: %s, failed %q, not bound %q\nwant %s, %q, %q", tt.name, v.Status, failed(v), got, tt.status, tt.failed,
				tt.unbound)
		}
		if (v.Err != nil) != (tt.name == "the name server is down") {
			t.Errorf("%s: error %v", tt.name, v.Err)
		}
	}
}

// temporary is a failure of DNS that passes.
type temporary struct{}

func (temporary) Error() string   { return "server misbehaving" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

// Whom this program asks is not the message's choice.
func TestKeysOfOtherDomainsAreNotLookedUp(t *testing.T) {
	h := newFixture(t)
	eml := newSigner(t, "victim.test").sign(newSigner(t, "a.example.com.evil.test").sign(h.stamped(), allNames...),
		allNames...)
	eml = newSigner(t, testDomain).sign(eml, allNames...)
	var asked []string
	Verify([]byte(eml), Lookup{Document: h.lookup().Document, TXT: func(name string) ([]string, error) {
		asked = append(asked, name)
		return nil, errors.New("not there")
	}})
	if !slices.Equal(asked, []string{"s1._domainkey." + testDomain}) {
		t.Errorf("asked for %q", asked)
	}
}

// A field may stand twice although the signature names it once: the one that
// is not covered is told of.
func TestASecondFieldIsNotCoveredByTheSignatureOfTheFirst(t *testing.T) {
	h := newFixture(t)
	s := newSigner(t, testDomain)
	raw := "Auto-Submitted: auto-replied\r\n" + sample
	signed := s.sign(h.stamp(released(t, raw), raw), append([]string{"Auto-Submitted"}, allNames...)...)
	l := Lookup{Document: h.lookup().Document, TXT: s.txt}
	if v := Verify([]byte(signed), l); v.Status != Valid || len(v.Unbound) != 0 {
		t.Errorf("%s, not bound %q", v.Status, v.Unbound)
	}
	v := Verify([]byte("Auto-Submitted: no\r\n"+signed), l)
	if v.Status != Valid || fmt.Sprint(v.Unbound) != "[Auto-Submitted]" {
		t.Errorf("%s, not bound %q", v.Status, v.Unbound)
	}
}

// The library looks for each name of h= in the whole header, and in the simple
// form copies a run of empty lines once for each piece that it reads.
func TestASignatureThatCostsTooMuchIsNotChecked(t *testing.T) {
	h := newFixture(t)
	s := newSigner(t, testDomain)
	detail := func(eml string) (string, string) {
		v := Verify([]byte(eml), Lookup{Document: h.lookup().Document, TXT: s.txt})
		for _, c := range v.Checks {
			if c.Name == "dkim" {
				return v.Status, c.Detail
			}
		}
		return v.Status, ""
	}
	names := append(make([]string, 0, maxNames+1), allNames...)
	for len(names) < maxNames {
		names = append(names, "X")
	}
	if status, why := detail(s.sign(h.stamped(), names...)); status != Valid {
		t.Errorf("%d names: %s: %s", len(names), status, why)
	}
	if status, why := detail(s.sign(h.stamped(), append(names, "X")...)); status != Unbound ||
		!strings.Contains(why, "names more than") {
		t.Errorf("one name more: %s: %s", status, why)
	}
	for _, tt := range []struct {
		lines  int
		status string
	}{{maxEmptyLines, Valid}, {maxEmptyLines + 1, Unbound}} {
		raw := sample + strings.Repeat("\r\n", tt.lines) + "end\r\n"
		eml := h.stamp(released(t, raw), raw)
		var b bytes.Buffer
		if err := dkim.Sign(&b, strings.NewReader(eml), &dkim.SignOptions{Domain: testDomain, Selector: "s1", Signer: s.key,
			Hash: crypto.SHA256, HeaderKeys: allNames, BodyCanonicalization: dkim.CanonicalizationSimple}); err != nil {
			t.Fatal(err)
		}
		if status, why := detail(b.String()); status != tt.status {
			t.Errorf("%d empty lines: %s: %s", tt.lines, status, why)
		}
	}
}
