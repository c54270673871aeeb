//go:build e2e

package e2e

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// signers are the keys of the table, each published at s._domainkey.
type signers struct {
	rsa                   *rsa.PrivateKey
	ed                    ed25519.PrivateKey
	pem, record, edRecord string
}

func newSigners(t *testing.T) signers {
	var s signers
	var err error
	if s.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	_, s.ed, _ = ed25519.GenerateKey(rand.Reader)
	der, err := x509.MarshalPKIXPublicKey(s.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	s.record = "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	s.edRecord = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(s.ed.Public().(ed25519.PublicKey))
	s.pem = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(s.rsa)}))
	return s
}

// message is a mail from a domain.
func message(domain string) []byte {
	return fmt.Appendf(nil, "From: Ann <ann@%s>\r\nTo: bot@receiver.test\r\nSubject: a  subject\r\n\r\nTwo  words,\r\n"+
		"and a line. \r\n\r\n\r\n", domain)
}

// sign signs with the library of ours.
func (s signers) sign(t *testing.T, eml []byte, domain, canon string, change ...func(*dkim.SignOptions)) []byte {
	header, body, _ := strings.Cut(canon, "/")
	o := &dkim.SignOptions{
		Domain: domain, Selector: "s", Signer: s.rsa, Hash: crypto.SHA256, HeaderKeys: []string{"From", "Subject", "To"},
		HeaderCanonicalization: dkim.Canonicalization(header), BodyCanonicalization: dkim.Canonicalization(body),
	}
	for _, c := range change {
		c(o)
	}
	var out bytes.Buffer
	if err := dkim.Sign(&out, bytes.NewReader(eml), o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// replaced is eml with one text in the place of another, which must be there.
func replaced(t *testing.T, eml []byte, old, with string) []byte {
	t.Helper()
	if !bytes.Contains(eml, []byte(old)) {
		t.Fatalf("no %q in %s", old, eml)
	}
	return bytes.Replace(eml, []byte(old), []byte(with), 1)
}

// originTable returns the mails and the DNS of TestMailauthAgreesOnWhoSentAMail.
func originTable(t *testing.T) (dnsZone, []foreign) {
	s := newSigners(t)
	z := dnsZone{}
	table := signatureMails(t, s, z)
	table = append(table, senderMails(z)...)
	table = append(table, policyMails(t, s, z)...)
	table = append(table, chainMails(t, s, z)...)
	for i := range table {
		m := &table[i]
		if m.ip == "" {
			m.ip = "192.0.2.1"
		}
		if m.helo == "" {
			m.helo = "mail.sender.test"
		}
		if m.sender == "" {
			m.sender = "ann@sender.test"
		} else if m.sender == "<>" {
			m.sender = ""
		}
	}
	return z, table
}

// signatureMails have DKIM signatures.
func signatureMails(t *testing.T, s signers, z dnsZone) []foreign {
	key := func(domain, record string) string {
		z["TXT s._domainkey."+domain] = []string{record}
		return domain
	}
	d := key("signed.test", s.record)
	z["TXT _dmarc.signed.test"] = []string{"v=DMARC1; p=reject"}
	base := message(d)
	good := s.sign(t, base, d, "relaxed/relaxed")
	simple := s.sign(t, base, d, "simple/simple")
	var table []foreign
	add := func(name string, eml []byte) { table = append(table, foreign{name: "dkim: " + name, eml: eml}) }
	for _, canon := range []string{"relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"} {
		add(canon, s.sign(t, base, d, canon))
		add("dkimpy "+canon, byPython(t, s.pem, []toSign{{EML: base, Domain: d, Canon: canon}})[0])
	}
	ed := key("ed.signed.test", s.edRecord)
	add("ed25519", s.sign(t, message(ed), ed, "relaxed/relaxed", func(o *dkim.SignOptions) { o.Signer = s.ed }))
	add("two", s.sign(t, good, d, "relaxed/relaxed"))
	add("one of two is broken", s.sign(t, replaced(t, good, "a  subject", "a\tsubject now"), d, "relaxed/relaxed"))
	add("another body", replaced(t, good, "Two", "Three"))
	add("another subject", replaced(t, good, "a  subject", "another"))
	add("blanks, relaxed", replaced(t, replaced(t, good, "a  subject", "a \t subject"), "Two  words", "Two words\t"))
	add("blanks in the header, simple", replaced(t, simple, "a  subject", "a subject"))
	add("blanks in the body, simple", replaced(t, simple, "Two  words", "Two words"))
	add("more empty lines", append(bytes.Clone(good), "\r\n\r\n\r\n"...))
	add("more empty lines, simple", append(bytes.Clone(simple), "\r\n\r\n\r\n"...))
	add("names in other case", replaced(t, good, "Subject: ", "SUBJECT:   "))
	add("folded", replaced(t, good, "a  subject", "a\r\n\tsubject"))
	add("a second Subject", append([]byte("Subject: b\r\n"), good...))
	add("a From that is added", append([]byte("From: eve@signed.test\r\n"), good...))
	add("no key", s.sign(t, message("nokey.test"), "nokey.test", "relaxed/relaxed"))
	for name, record := range map[string]string{
		"revoked": "v=DKIM1; p=", "of no base64": "v=DKIM1; p=!!!",
		"of another version":  strings.Replace(s.record, "DKIM1", "DKIM2", 1),
		"for another service": s.record + "; s=tlsrpt", "for sha1": s.record + "; h=sha1", "of another type": s.edRecord,
		"for every service": s.record + "; s=*", "with notes": s.record + "; n=hello; x=y", "under test": s.record + "; t=y",
	} {
		domain := key(strings.ReplaceAll(name, " ", "-")+".test", record)
		add("a key "+name, s.sign(t, message(domain), domain, "relaxed/relaxed"))
	}
	two := key("two-keys.test", s.record)
	z["TXT s._domainkey."+two] = []string{s.record, s.record}
	table = append(table, foreign{name: "dkim: two keys", eml: s.sign(t, message(two), two, "relaxed/relaxed"),
		ours: "spf=none dkim=fail dmarc=none  arc=none",
		why:  "which of two keys is meant is not defined (RFC 6376, 3.6.2.2)"})
	add("no answer", s.sign(t, message("down.test"), key("down.test", "SERVFAIL"), "relaxed/relaxed"))
	add("expired", s.sign(t, base, d, "relaxed/relaxed", func(o *dkim.SignOptions) { o.Expiration = time.Unix(1e9, 0) }))
	below := func(o *dkim.SignOptions) { o.Identifier = "@x.strict.test" }
	strict := key("strict.test", s.record+"; t=s")
	add("i= below, forbidden", s.sign(t, message(strict), strict, "relaxed/relaxed", below))
	add("sha1", replaced(t, good, "rsa-sha256", "rsa-sha1"))
	add("no From covered", replaced(t, good, "h=From:Subject", "h=X:Subject"))
	add("a version of 2", replaced(t, good, "v=1;", "v=2;"))
	add("no d=", replaced(t, good, "d=signed.test;", ""))
	add("no signature in it", replaced(t, good, " bh=", " bx="))
	add("none", base)
	return table
}

// senderMails are judged by SPF.
func senderMails(z dnsZone) []foreign {
	terms, many := "", ""
	for i := range 11 {
		terms += fmt.Sprintf(" exists:e%d.test", i)
		z[fmt.Sprintf("A m%d.test", i)] = []string{"198.51.100.1"}
		many += fmt.Sprintf(" a:m%d.test", i)
	}
	z["A host.test"], z["A 1.2.0.192.l.test"] = []string{"192.0.2.1"}, []string{"127.0.0.2"}
	z["MX mx.test"], z["MX ten.test"] = []string{"10 host.test"}, []string{}
	z["PTR 1.2.0.192.in-addr.arpa"] = []string{"host.test"}
	z["TXT pass.test"], z["TXT fail.test"] = []string{"v=spf1 ip4:192.0.2.1 -all"}, []string{"v=spf1 -all"}
	z["TXT down-spf.test"] = []string{"SERVFAIL"}
	var table []foreign
	for name, record := range map[string][]string{
		"ip4":           {"v=spf1 ip4:192.0.2.0/24 -all"},
		"ip4 of others": {"v=spf1 ip4:192.0.3.0/24 -all"},
		"ip6":           {"v=spf1 ip6:2001:db8::/32 -all"},
		"a":             {"v=spf1 a:host.test -all"},
		"a with a mask": {"v=spf1 a:host.test/24 -all"},
		"mx":            {"v=spf1 mx:mx.test -all"},
		"include":       {"v=spf1 include:pass.test -all"}, "an include that fails": {"v=spf1 include:fail.test ~all"},
		"an include of nothing": {"v=spf1 include:nothing.test -all"}, "redirect": {"v=spf1 redirect=pass.test"},
		"a redirect to nothing": {"v=spf1 redirect=nothing.test"},
		"exists with macros":    {"v=spf1 exists:%{ir}.l.test -all"},
		"ptr":                   {"v=spf1 ptr:host.test -all"},
		"softfail":              {"v=spf1 ~all"},
		"neutral":               {"v=spf1 ?all"},
		"the end":               {"v=spf1 ip4:198.51.100.1"},
		"capitals":              {"V=SPF1 IP4:192.0.2.1 -ALL"},
		"nonsense":              {"v=spf1 banana -all"},
		"a bad mask":            {"v=spf1 ip4:192.0.2.0/33 -all"},
		"two records":           {"v=spf1 -all", "v=spf1 +all"},
		"other texts":           {"hello", "v=spf1 +all"}, "spf2": {"v=spf10 -all"},
		"lookups without an answer": {"v=spf1" + terms + " -all"}, "too many lookups": {"v=spf1" + many + " -all"},
		"no answer":                    {"SERVFAIL"},
		"an include without an answer": {"v=spf1 include:down-spf.test -all"},
		"an unknown modifier":          {"v=spf1 x=y +all"},
	} {
		domain := strings.ReplaceAll(name, " ", "-") + ".spf.test"
		z["TXT "+domain] = record
		table = append(table, foreign{name: "spf: " + name, eml: message(domain), sender: "ann@" + domain})
	}
	z["TXT helo.test"], z["TXT six.test"] = []string{"v=spf1 ip4:192.0.2.1 -all"}, []string{"v=spf1 a -all"}
	z["AAAA six.test"] = []string{"2001:db8::1"}
	return append(table,
		foreign{name: "spf: no record", eml: message("nothing.test"), sender: "ann@nothing.test"},
		foreign{name: "spf: the null sender", eml: message("helo.test"), helo: "helo.test", sender: "<>"},
		foreign{name: "spf: IPv6", eml: message("six.test"), sender: "ann@six.test", ip: "2001:db8::1"})
}
