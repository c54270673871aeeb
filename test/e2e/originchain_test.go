//go:build e2e

package e2e

import (
	"bytes"
	"strings"
	"testing"
)

// policyMails are judged by DMARC: none has a signature, and MAIL FROM passes SPF.
func policyMails(t *testing.T, s signers, z dnsZone) []foreign {
	var table []foreign
	add := func(name, author, sender, record string) {
		z["TXT "+sender] = []string{"v=spf1 ip4:192.0.2.1 -all"}
		z["TXT _dmarc."+author] = nil
		org := author[strings.LastIndexByte(author[:strings.LastIndexByte(author, '.')], '.')+1:]
		z["TXT _dmarc."+org] = []string{record}
		table = append(table, foreign{name: "dmarc: " + name, eml: message(author), sender: "ann@" + sender})
	}
	add("reject", "p1.test", "x.test", "v=DMARC1; p=reject")
	add("quarantine", "p2.test", "x.test", "v=DMARC1; p=quarantine")
	add("none", "p3.test", "x.test", "v=DMARC1; p=none")
	add("aligned", "p4.test", "p4.test", "v=DMARC1; p=reject")
	add("aligned below", "p5.test", "m.p5.test", "v=DMARC1; p=reject")
	add("strict below", "p6.test", "m.p6.test", "v=DMARC1; p=reject; aspf=s")
	add("strict", "p7.test", "p7.test", "v=DMARC1; p=reject; aspf=s")
	add("sp", "a.p8.test", "x.test", "v=DMARC1; p=reject; sp=none")
	add("p for a subdomain", "a.p9.test", "x.test", "v=DMARC1; p=quarantine")
	add("np", "a.p10.test", "x.test", "v=DMARC1; p=none; sp=none; np=reject")
	add("np of one that is there", "a.p11.test", "x.test", "v=DMARC1; p=none; np=reject")
	z["A a.p11.test"] = []string{"192.0.2.9"}
	add("a test", "p12.test", "x.test", "v=DMARC1; p=reject; t=y")
	add("pct", "p13.test", "x.test", "v=DMARC1; p=reject; pct=0")
	add("no p", "p14.test", "x.test", "v=DMARC1; sp=reject")
	add("only reports", "p15.test", "x.test", "v=DMARC1; rua=mailto:a@p15.test")
	add("blanks", "p16.test", "x.test", "v = DMARC1 ; p = reject ; aspf = s")
	add("another version", "p17.test", "x.test", "v=DMARC2; p=reject")
	add("no answer", "p18.test", "x.test", "SERVFAIL")
	add("two records", "p19.test", "x.test", "v=DMARC1; p=reject")
	z["TXT _dmarc.p19.test"] = append(z["TXT _dmarc.p19.test"], "v=DMARC1; p=none")
	add("a sister", "a.p20.test", "b.p20.test", "v=DMARC1; p=reject")
	two := table[0]
	two.name, two.eml = "dmarc: two authors", replaced(t, two.eml, "To: ", "From: eve@evil.test\r\nTo: ")
	list := table[0]
	list.name = "dmarc: a list of authors"
	list.eml = replaced(t, list.eml, "<ann@p1.test>", "<ann@p1.test>, eve@evil.test")
	nobody := table[0]
	nobody.name, nobody.eml = "dmarc: nobody", replaced(t, nobody.eml, "From: Ann <ann@p1.test>\r\n", "")
	z["TXT s._domainkey.m.p4.test"] = []string{s.record}
	signed := table[0]
	signed.name, signed.eml = "dmarc: signed below", s.sign(t, message("p4.test"), "m.p4.test", "relaxed/relaxed")
	return append(table, two, list, nobody, signed)
}

// chainMails have ARC sets, of dkimpy and of mailauth.
func chainMails(t *testing.T, s signers, z dnsZone) []foreign {
	z["TXT s._domainkey.list.test"], z["TXT s._domainkey.relay.test"] = []string{s.record}, []string{s.record}
	base := message("sender.test")
	one := toSign{EML: base, Domain: "list.test", CV: "none", Results: "list.test; dmarc=pass header.from=sender.test"}
	py, js := byPython(t, s.pem, []toSign{one})[0], byMailauth(t, s.pem, []toSign{one})[0]
	second := func(eml []byte) toSign {
		return toSign{EML: eml, Domain: "relay.test", CV: "pass", Results: "relay.test; dmarc=fail header.from=sender.test"}
	}
	both := byMailauth(t, s.pem, []toSign{second(py), second(js)})
	pys := byPython(t, s.pem, []toSign{second(js), second(py)})
	gone := one
	gone.Domain = "gone.test"
	failed := second(js)
	failed.CV = "fail"
	more := byMailauth(t, s.pem, []toSign{gone, failed})
	var table []foreign
	add := func(name string, eml []byte) { table = append(table, foreign{name: "arc: " + name, eml: eml}) }
	without := func(eml []byte, field string, n string) []byte {
		lower := bytes.ToLower(eml)
		at := bytes.Index(lower, []byte(strings.ToLower(field)+": i="+n))
		if at < 0 {
			t.Fatalf("no %s %s in %s", field, n, eml)
		}
		end := at + bytes.IndexByte(eml[at:], '\n') + 1
		for eml[end] == ' ' || eml[end] == '\t' {
			end += bytes.IndexByte(eml[end:], '\n') + 1
		}
		return append(bytes.Clone(eml[:at]), eml[end:]...)
	}
	add("dkimpy", py)
	add("mailauth", js)
	add("mailauth over dkimpy", both[0])
	add("mailauth twice", both[1])
	add("dkimpy over mailauth", pys[0])
	add("dkimpy twice", pys[1])
	add("another body", replaced(t, js, "Two", "Three"))
	add("another subject", replaced(t, js, "a  subject", "another"))
	add("another body after two", replaced(t, both[1], "Two", "Three"))
	add("other results", replaced(t, both[1], "dmarc=fail", "dmarc=pass"))
	add("other results of the first", replaced(t, both[1], "list.test; dmarc=pass", "list.test; dmarc=none"))
	add("no seal", without(js, "ARC-Seal", "1"))
	add("no message signature", without(js, "ARC-Message-Signature", "1"))
	add("no results", without(js, "ARC-Authentication-Results", "1"))
	add("the second is not whole", without(both[1], "ARC-Seal", "2"))
	gap := without(without(both[1], "ARC-Seal", "1"), "ARC-Message-Signature", "1")
	add("a gap", without(gap, "ARC-Authentication-Results", "1"))
	add("twice", append([]byte("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=list.test; s=s; b=eA==\r\n"), js...))
	add("cv", replaced(t, both[1], "cv=pass", "cv=none"))
	add("no key", more[0])
	add("it says itself that it failed", more[1])
	add("an instance of 0", replaced(t, js, "ARC-Seal: i=1", "ARC-Seal: i=0"))
	z["TXT s._domainkey.down-arc.test"] = []string{"SERVFAIL"}
	down := one
	down.Domain = "down-arc.test"
	add("no answer", byMailauth(t, s.pem, []toSign{down})[0])
	return table
}
