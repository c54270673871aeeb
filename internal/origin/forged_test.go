package origin

import (
	"bytes"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// forgeries are spellings that some reader takes for a statement of mx.receiver.test.
var forgeries = map[string]string{
	"plain":                    "Authentication-Results: mx.receiver.test; spf=pass\r\n",
	"capitals":                 "AUTHENTICATION-RESULTS: MX.Receiver.TEST; spf=pass\r\n",
	"a version":                "Authentication-Results: mx.receiver.test 1; spf=pass\r\n",
	"another version":          "Authentication-Results: mx.receiver.test 2; spf=pass\r\n",
	"an old version":           "Authentication-Results: mx.receiver.test/1; spf=pass\r\n",
	"no blank":                 "Authentication-Results:mx.receiver.test;spf=pass\r\n",
	"a tab":                    "Authentication-Results:\tmx.receiver.test\t;\tspf=pass\r\n",
	"a blank before the colon": "Authentication-Results : mx.receiver.test; spf=pass\r\n",
	"an odd blank before it":   "Authentication-Results\u00a0: mx.receiver.test; spf=pass\r\n",
	"a byte order mark":        "\ufeffAuthentication-Results: mx.receiver.test; spf=pass\r\n",
	"folded":                   "Authentication-Results:\r\n mx.receiver.test;\r\n spf=pass\r\n",
	"folded behind":            "Authentication-Results: mx.receiver.test\r\n\t; spf=pass\r\n",
	"nothing behind":           "Authentication-Results: mx.receiver.test\r\n",
	"a comment before":         "Authentication-Results: (x) mx.receiver.test; spf=pass\r\n",
	"a comment behind":         "Authentication-Results: mx.receiver.test (x); spf=pass\r\n",
	"a comment inside":         "Authentication-Results: mx.(x)receiver.test; spf=pass\r\n",
	"a blank inside":           "Authentication-Results: mx. receiver.test; spf=pass\r\n",
	"a nested comment":         "Authentication-Results: (a (b) \\) c) mx.receiver.test; spf=pass\r\n",
	"a comment folded":         "Authentication-Results: (\r\n x)\r\n mx.receiver.test; spf=pass\r\n",
	"quoted":                   "Authentication-Results: \"mx.receiver.test\"; spf=pass\r\n",
	"quoted in part":           "Authentication-Results: mx.\"receiver\".test; spf=pass\r\n",
	"quoted pairs":             "Authentication-Results: \"m\\x.receiver.test\"; spf=pass\r\n",
	"an escape":                "Authentication-Results: m\\x.receiver.test; spf=pass\r\n",
	"a final dot":              "Authentication-Results: mx.receiver.test.; spf=pass\r\n",
	"an encoded-word":          "Authentication-Results: =?utf-8?q?mx.receiver.test?=; spf=pass\r\n",
	"beyond ASCII":             "Authentication-Results: mx\u3002receiver.test; spf=pass\r\n",
	"a zero width":             "Authentication-Results: mx\u200b.receiver.test; spf=pass\r\n",
	"a control":                "Authentication-Results: mx\x0b.receiver.test; spf=pass\r\n",
	"no id":                    "Authentication-Results: ; spf=pass\r\n",
	"a comma":                  "Authentication-Results: mx.receiver.test, x; spf=pass\r\n",
}

func TestNobodyElseSpeaksInOurName(t *testing.T) {
	for name, forged := range forgeries {
		for place, raw := range map[string]string{
			"first": forged + "Subject: x\r\n\r\nbody\r\n", "last": "Subject: x\r\n" + forged + "\r\nbody\r\n",
			"twice": forged + "Subject: x\r\n" + forged + "\r\nbody\r\n", "without a body": "Subject: x\r\n" + forged,
		} {
			before := raw
			m := from("")
			m.Raw = []byte(raw)
			f, _ := check(t, newZone(nil), m)
			if got := string(f.Raw); strings.Contains(got, "spf") || strings.Contains(got, "receiver") ||
				!strings.Contains(got, "Subject: x\r\n") ||
				strings.Contains(raw, "body") != strings.Contains(got, "\r\n\r\nbody\r\n") {
				t.Errorf("%s, %s: %q is left", name, place, got)
			}
			if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "forged in the name of this server") {
				t.Errorf("%s, %s: %q", name, place, f.Warnings)
			}
			if string(m.Raw) != before {
				t.Errorf("%s, %s: the bytes of the caller were changed", name, place)
			}
		}
	}
}

func TestWhatIsNotInOurNameStays(t *testing.T) {
	for name, header := range map[string]string{
		"another server":    "Authentication-Results: mx.other.test; spf=pass\r\n",
		"a version":         "Authentication-Results: mx.other.test 1; spf=pass\r\n",
		"a subdomain":       "Authentication-Results: a.mx.receiver.test; spf=pass\r\n",
		"a parent":          "Authentication-Results: receiver.test; spf=pass\r\n",
		"our name as value": "Authentication-Results: mx.other.test; spf=pass smtp.helo=mx.receiver.test\r\n",
		"folded":            "Authentication-Results: mx.other.test;\r\n\tspf=pass (mx.receiver.test)\r\n",
		"no id (Exchange)":  "Authentication-Results: spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=x.test\r\n",
		"of a chain":        "ARC-Authentication-Results: i=1; mx.receiver.test; spf=pass\r\n",
		"another field":     "X-Authentication-Results: mx.receiver.test; spf=pass\r\n",
		"nothing of it":     "Subject: Authentication-Results: mx.receiver.test; spf=pass\r\n",
	} {
		raw := []byte(header + "Subject: x\r\n\r\nAuthentication-Results: mx.receiver.test; spf=pass\r\n")
		m := from("")
		m.Raw = raw
		f, _ := check(t, newZone(nil), m)
		if !bytes.Equal(f.Raw, raw) || len(f.Warnings) != 0 {
			t.Errorf("%s: %q, %q", name, f.Raw, f.Warnings)
		}
	}
}

// A first line that begins with a blank would continue the last field that is stamped.
func TestALineThatWouldContinueAStampIsRemoved(t *testing.T) {
	for _, stray := range []string{" ; dmarc=pass\r\n", "\t; dmarc=pass\r\n ; arc=pass\r\n", " \r\n ; x=y\r\n"} {
		m := from("")
		m.Raw = []byte(stray + "Subject: x\r\n\r\nbody\r\n")
		f, _ := check(t, newZone(nil), m)
		if string(f.Raw) != "Subject: x\r\n\r\nbody\r\n" {
			t.Errorf("%q is left of %q", f.Raw, stray)
		}
	}
	m := from("")
	m.Raw = []byte(" all of it\r\n")
	if f, _ := check(t, newZone(nil), m); len(f.Raw) != 0 {
		t.Errorf("%q is left", f.Raw)
	}
}

func TestSignaturesAreCheckedBeforeAForgeryIsRemoved(t *testing.T) {
	forged := "Authentication-Results: mx.receiver.test; dmarc=pass\r\n"
	m := from("")
	m.Raw = signed(t, append([]byte(forged), crlf(plain)...), "example.org", "From", "Authentication-Results")
	f, err := check(t, newZone(map[string][]string{keyOf("example.org"): {testRecord}}), m)
	if err != nil || f.Auth.DKIM[0].Result != pass || bytes.Contains(f.Raw, []byte(forged)) {
		t.Errorf("%+v, %q, %v", f.Auth.DKIM, f.Raw, err)
	}
	want := "1 header fields forged in the name of this server were removed; " +
		"the DKIM signature of example.org covered them"
	if len(f.Warnings) != 1 || f.Warnings[0] != want {
		t.Errorf("%q", f.Warnings)
	}
}

func TestTheStampSaysWhatWasFound(t *testing.T) {
	m := from("")
	m.Raw = signed(t, crlf("X-MultiMail-Identity: x\n"+plain), "example.org")
	m.Raw = sealed(m.Raw, "list.test", none, "x; none", "from")
	z := newZone(map[string][]string{
		keyOf("example.org"): {testRecord}, keyOf("list.test"): {testRecord}, "TXT example.org": {spfPass},
		"TXT _dmarc.example.org": {"v=DMARC1; p=reject"},
	})
	f, err := check(t, z, m, func(o *Options) { o.Identity = always(mail.Check{Result: pass}) })
	want := "Authentication-Results: mx.receiver.test;\r\n\tspf=pass smtp.mailfrom=example.org;\r\n" +
		"\tdkim=pass header.d=example.org header.s=s;\r\n\tdmarc=pass header.from=example.org policy.dmarc=reject;\r\n" +
		"\tarc=pass;\r\n\tx-multimail-identity=pass header.from=example.org\r\n"
	if err != nil || string(f.Stamp) != want {
		t.Errorf("%s, %v", f.Stamp, err)
	}
	a, err := parseAuthResults(strings.TrimPrefix(strings.ReplaceAll(string(f.Stamp), "\r\n", ""), resultsHeader+":"))
	if err != nil || a.id != host || len(a.results) != 5 {
		t.Errorf("it is read as %+v, %v", a, err)
	}
	f, _ = check(t, newZone(nil), Mail{Raw: crlf(plain)})
	want = "Authentication-Results: mx.receiver.test;\r\n\tdkim=none;\r\n" +
		"\tdmarc=none header.from=example.org;\r\n\tarc=none\r\n"
	if string(f.Stamp) != want {
		t.Errorf("%s", f.Stamp)
	}
}

// Nothing of a stranger stands in the stamp as it was written.
func TestTheStampHoldsNoTextOfAStranger(t *testing.T) {
	m := from("DKIM-Signature: v=1; a=rsa-sha256; d=e\"vil.test; s=a;b=eA==; bh=x; h=from\n" +
		"DKIM-Signature: v=1; a=rsa-sha256; d=evil.test; s=a)x=(y; b=eA==; bh=x; h=from\n" +
		"From: \"x\r\n ;dmarc=pass\" <a@evil.test>\n\nhello\n")
	m.From, m.Helo = mail.Address{}, "x;dmarc=pass"
	f, _ := check(t, newZone(nil), m)
	want := "Authentication-Results: mx.receiver.test;\r\n\tspf=none;\r\n\tdkim=permerror header.s=a;\r\n" +
		"\tdkim=permerror header.d=evil.test;\r\n\tdmarc=none header.from=evil.test;\r\n\tarc=none\r\n"
	if string(f.Stamp) != want {
		t.Errorf("%s", f.Stamp)
	}
}
