package origin

import (
	"fmt"
	"strings"
	"testing"
)

// text writes what was read, in one form.
func (a *authResults) text() string {
	out := a.id
	for _, r := range a.results {
		out += "; " + r.method + "=" + r.result
		for _, name := range []string{"reason", "smtp.mailfrom", "header.d",
			"header.from", "header.b", "action", "policy.expired"} {
			if v, ok := r.properties[name]; ok {
				out += fmt.Sprintf(" %s=%s", name, v)
			}
		}
	}
	return out
}

func TestAuthenticationResultsAreRead(t *testing.T) {
	for in, want := range map[string]string{
		"mx.test; none":     "mx.test",
		"mx.test 1; none":   "mx.test",
		"mx.test;":          "mx.test",
		"mx.test":           "mx.test",
		"mx.test; spf=pass": "mx.test; spf=pass",
		"mx.test; SPF=Pass SMTP.MailFrom=a@x.test;": "mx.test; spf=pass smtp.mailfrom=a@x.test",
		// RFC 8601, appendix B.5 and B.6.
		"example.com; sender-id=fail header.from=example.com; dkim=pass (good signature) header.d=example.com"://
		"example.com; sender-id=fail header.from=example.com; dkim=pass header.d=example.com",
		"foo.example.net (foobar) 1 (baz);dkim (Because I like it) / 1 (One yay) = (wait for it) fail" +
			" policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462": //
		"foo.example.net; dkim=fail policy.expired=1362471462",
		"mx.test; dkim/2=pass": "",
		`(a (nested \) one)) "mx.test" (x) ; spf = pass reason = "a;b \" c" (d) smtp.mailfrom="a b"@x.test`://
		`mx.test; spf=pass reason=a;b " c smtp.mailfrom=a b@x.test`,
		"mx.test; dkim=pass header.b=ab/c+d== header.d=x.test": "mx.test; dkim=pass header.d=x.test header.b=ab/c+d==",
		// Exchange Online writes a property without its type.
		"mx.test 1; dmarc=pass action=none header.from=x.test;spf=fail"://
		"mx.test; dmarc=pass header.from=x.test action=none; spf=fail",
		"":                                    "",
		"; spf=pass":                          "",
		"mx.test 2; spf=pass":                 "",
		"mx.test; spf":                        "",
		"mx.test; spf=":                       "",
		"mx.test; =pass":                      "",
		"mx.test; spf=pass;;dkim=pass":        "",
		"mx.test; spf=pass x":                 "",
		"mx.test; spf=pass header.d=":         "mx.test; spf=pass header.d=",
		"mx.test; spf=pass x=1 x=2":           "",
		"mx.test; spf=pass (":                 "",
		`mx.test; spf=pass reason="`:          "",
		`mx.test; spf=pass reason="\`:         "",
		"mx.test; spf=pass reason=a\\b":       "",
		"mx.test; spf=pass\x00":               "",
		"mx.test; spf=pass )":                 "",
		"mx.test; spf=pass, dkim=pass":        "",
		"mx.test other; spf=pass":             "",
		"mx.test; none; spf=pass":             "mx.test; spf=pass",
		strings.Repeat("(", 9) + "a; none":    "",
		strings.Repeat("x", 16<<10) + "; x=y": "",
	} {
		a, err := parseAuthResults(in)
		got := ""
		if err == nil {
			got = a.text()
		}
		if got != want || err == nil != (want != "") {
			t.Errorf("%.200q\ngot  %q, %v\nwant %q", in, got, err, want)
		}
	}
}

func TestWhatIsReadOfResultsIsBounded(t *testing.T) {
	for name, in := range map[string]string{
		"results":    "mx.test" + strings.Repeat("; a=b", maxResults+1),
		"properties": "mx.test; a=b" + properties(maxProperties+1),
		"comments":   "mx.test; " + strings.Repeat("(", maxComments+1) + strings.Repeat(")", maxComments+1) + "a=b",
		"octets":     "mx.test; a=b c=" + strings.Repeat("x", maxResultOctets),
	} {
		if _, err := parseAuthResults(in); err == nil {
			t.Errorf("too many %s are read", name)
		}
	}
	for name, in := range map[string]string{
		"results":    "mx.test" + strings.Repeat("; a=b", maxResults),
		"properties": "mx.test; a=b" + properties(maxProperties),
		"comments":   "mx.test; " + strings.Repeat("(", maxComments) + strings.Repeat(")", maxComments) + "a=b",
	} {
		if _, err := parseAuthResults(in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func properties(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " p%d=v", i)
	}
	return b.String()
}

func FuzzAuthenticationResults(f *testing.F) {
	for _, seed := range []string{
		"mx.test 1; spf=pass smtp.mailfrom=a@x.test; dkim=pass (x) header.d=x.test; none",
		`"a\"b" (c (d)); e/1=f`, ";", "(", `"`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Add("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.test; dmarc=pass action=none header.from=x.test", false)
	f.Fuzz(func(t *testing.T, s string, named bool) {
		parse := parseResultsOnly
		if named {
			parse = parseAuthResults
		}
		a, err := parse(s)
		if err != nil {
			return
		}
		if named != (a.id != "") || len(a.results) > maxResults {
			t.Errorf("%q: %+v", s, a)
		}
		for _, r := range a.results {
			if r.method == "" || r.result == "" || r.method != strings.ToLower(r.method) ||
				len(r.properties) > maxProperties {
				t.Errorf("%q: %+v", s, r)
			}
		}
		a.spf()
		a.vouches("x.test", func(string) bool { return true })
	})
}

func FuzzARC(f *testing.F) {
	f.Add(string(sets(2)))
	f.Add("ARC-Seal: i=1; cv=none\r\nARC-Message-Signature: i=1\r\nARC-Authentication-Results: i=1; x\r\n\r\n")
	f.Add("ARC-Authentication-Results: (x) i = 1 ; x\r\n\r\n")
	f.Add("DKIM-Signature: v=1; a=ed25519-sha256; d=list.test; s=s; h=from; bh=; b=eA==; i=@\r\n" +
		"DKIM-Signature : v=1\r\nFrom: a@list.test\r\n\r\nx")
	z := newZone(map[string][]string{keyOf("list.test"): {testRecord}})
	c, err := New(Options{DNS: z, Host: host, TrustedSealers: []string{"list.test"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		z.asked = nil
		found, _ := c.Check(t.Context(), Mail{Raw: []byte(s)})
		switch r := found.Auth.ARC.Result; r {
		case none, pass, fail, permerror:
		default:
			t.Errorf("%q is %q", s, r)
		}
		if len(z.asked) > dkimQuestions+arcQuestions+dmarcQuestions {
			t.Errorf("%q: %d questions", s, len(z.asked))
		}
	})
}
