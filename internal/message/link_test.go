package message

import (
	"fmt"
	"strings"
	"testing"
)

// Nothing is taken for a part of a link that programs show beside it.
func TestALinkEndsAtEveryBlankAndControl(t *testing.T) {
	for _, blank := range []string{
		" ", "\t", "\n", "\r", "\v", "\f", "\x1b", "\x7f", "\u0085", "\u00a0", "\u00ad", "\u034f", "\u061c", "\u115f",
		"\u1680", "\u180e", "\u2000", "\u2003", "\u2009", "\u200a", "\u200b", "\u200c", "\u200d", "\u200e", "\u2028",
		"\u2029", "\u202e",
		"\u202f", "\u205f", "\u2060", "\u2066", "\u2800", "\u3000",
		"\u3164", "\ufeff", "\U000e0041", "\xff", "<", ">", "\"", "`", "|",
	} {
		for _, link := range []string{"https://x.test/a", "www.x.test/a", "mailto:a@x.test"} {
			got := textLinks("see " + link + blank + "pay-500 now")
			if len(got) != 1 || got[0].Target != link {
				t.Errorf("%q: %q", blank, got)
			}
		}
	}
}

// links are links with their text, and why they are flagged; "" when they are not.
var links = []struct{ target, text, why string }{
	{"https://bank.example/login", "Log in", ""},
	{"https://bank.example/login", "bank.example", ""},
	{"https://bank.example/login", "https://bank.example/", ""},
	{"https://www.bank.example/login", "bank.example", ""},
	{"https://bank.example/login", "www.bank.example", ""},
	{"HTTPS://BANK.example", "Bank.Example", ""},
	{"https://müller.example", "xn--mller-kva.example", ""},
	{"mailto:ann@bank.example?subject=x", "ann@bank.example", ""},
	{"https://bank.example:8443/a@b", "bank.example", ""},
	{"/relative", "more", ""}, {"#top", "up", ""}, {"", "x", ""}, {"tel:+491", "call", ""}, {"cid:1@a", "", ""},
	{"//bank.example/a", "bank.example", ""}, {"https://x.test/?q=bank.example", "", ""},

	{"https://evil.test/", "bank.example", "names bank.example"},
	{"https://evil.test/", "Go to https://bank.example/login now", "names bank.example"},
	{"https://evil.test/", "ｂａｎｋ．ｅｘａｍｐｌｅ", "names bank.example"},
	{"https://evil.test/", "bank。example", "names bank.example"},
	{"https://evil.test/", "bank\u200b.exam\u00adple", "names bank.example"},
	{"https://evil.test/", "(bank.example)", "names bank.example"},
	{"https://evil.test/", "user@bank.example", "names bank.example"},
	{"https://evil.test/", "evil.test, bank.example", "names bank.example"},
	{"https://evil.test/bank.example", "bank.example", "names bank.example"},
	{"https://bank.example.evil.test/", "bank.example", "names bank.example"},
	{"https://notbank.example/", "bank.example", "names bank.example"},
	{"https://bank.example/", "login.bank.example", "names login.bank.example"},
	{"https://bаnk.example/", "bank.example", "names bank.example"}, // Cyrillic
	{"/login", "bank.example", "names bank.example"},
	{"mailto:eve@evil.test", "ann@bank.example", "names bank.example"},

	{"https://bank.example@evil.test/", "", "before the host evil.test"},
	{"https://bank.example:pw@evil.test/", "", "before the host evil.test"},
	{"https://a@b@evil.test", "", "before the host evil.test"},
	{"//bank.example@evil.test", "", "before the host"},
	{`https://evil.test\@bank.example/`, "bank.example", "backslash"}, {`https:\\evil.test`, "", "slashes"},
	{`\\evil.test`, "", "backslash"}, {`/\evil.test`, "", "backslash"}, {"https:evil.test", "", "slashes"},
	{"https:/evil.test", "", "slashes"}, {"https:///evil.test", "", "slashes"},
	{"https://%65vil.test/", "", "percent-encoded"}, {"https://bank.example%2eevil.test/", "", "percent-encoded"},
	{"mailto:ann%40bank.example@evil%2etest", "", "percent-encoded"}, {"http://2130706433/", "", "number"},
	{"http://0x7f.1/", "", "number"}, {"http://017700000001", "", "number"}, {"http://127.0.0.1/", "", "number"},
	{"http://[::1]/", "", "number"}, {"http://1.2.3.4.:80/", "", "number"}, {"http://①②⑦.1/", "", "number"},
	{"javascript:alert(1)", "x", "scheme javascript"}, {"JavaScript:alert(1)", "x", "scheme javascript"},
	{" \x01javascript:alert(1)", "x", "scheme javascript"}, {"java\tscript:alert(1)", "x", "line ends or tabs"},
	{"data:text/html,x", "x", "scheme data"}, {"vbscript:x", "x", "scheme vbscript"},
	{"file:///etc/passwd", "x", "scheme file"}, {"blob:x", "x", "scheme blob"},
	{"view-source:x", "x", "scheme view-source"}, {"ms-word:ofe|u|x", "x", "scheme ms-word"},
	{"https://bank.example:80x@/", "", "before the host"}, {"https://bank.example:80x/", "", "port"},
	{"https://bank.example;evil.test/", "", "malformed"},
	{"https://evil.test/", "Site:bank.example", "names bank.example"},
	{"https://evil.test/", "bank.example$", "names bank.example"},
	{"https://evil.test/", "bank.example@home", "names bank.example"},
	{"https://evil.test/", "https://10.0.0.1/", "names 10.0.0.1"},
	{"https://evil.test/", "ceo@bank.example", "names bank.example"},
	{"mailto:first.last@bank.example", "first.last@bank.example", ""},
	{"https://a.test/", strings.Repeat("a.test ", 10) + "bank.example", "many hosts"},
	{"mailto:ceo@bank.example?bcc=x@evil.test", "ceo@bank.example", "more than one address"},
	{"mailto:x@evil.test,y@bank.example", "y@bank.example", "more than one address"},
	{"mailto:ceo@bank.example?subject=a%20b", "ceo@bank.example", ""},
}

func TestALinkThatMayLeadElsewhereIsFlagged(t *testing.T) {
	for _, tt := range links {
		if got := checkLink(tt.target, tt.text); (got == "") != (tt.why == "") || !strings.Contains(got, tt.why) {
			t.Errorf("%s %q: %q, want %q", tt.target, tt.text, got, tt.why)
		}
	}
}

func TestALinkWhoseTextIsPushedAwayOrMovedIsFlagged(t *testing.T) {
	for name, page := range map[string]string{
		"blanks":         `<a href=https://evil.test>` + strings.Repeat(" ", 5000) + `bank.example</a>`,
		"a table":        `<a href=https://evil.test><table><tr><td></a>bank.example</td></table>`,
		"a name in cell": `<a href=https://evil.test><table><tr><td><a name=x>bank.example</td></table>`,
	} {
		r := NewReview(mailWith("Content-Type: text/html\n\n" + page + "\n"))
		if len(r.Links) == 0 || r.Links[0].Why == "" {
			t.Errorf("%s: %+v", name, r.Links)
		}
	}
}

func TestEveryAttributeThatHoldsALinkIsListed(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"<a href=http://t.test>t</a>", "{http://t.test t }"},
		{"<a href=http://t.test><b>b</b>c <img alt=d></a>", "{http://t.test bc d }"},
		{"<a href=http://t.test>a<a href=http://u.test>b", "{http://t.test a } {http://u.test b }"},
		{"<a href=http://t.test><b>bank</b>.example</a>", "{http://t.test bank.example its text names bank.example}"},
		{"<map><area href=http://t.test></map>", "{http://t.test  a region of an image leads there}"},
		{"<base href=http://t.test>", "{http://t.test  every relative link begins there}"},
		{"<form action=http://t.test>", "{http://t.test  a form is sent there}"},
		{"<button formaction=http://t.test>", "{http://t.test  a form is sent there}"},
		{"<meta http-equiv=refresh content='0; url=t.html'>", "{t.html  the page is replaced by it}"},
		{"<img src=http://t.test>", "{http://t.test  }"}, {"<video poster=http://t.test>", "{http://t.test  }"},
		{"<table background=http://t.test>", "{http://t.test  }"}, {"<q cite=http://t.test>", "{http://t.test  }"},
		{"<p ping=http://t.test>", "{http://t.test  }"}, {"<img srcset='http://t.test 1x'>", "{http://t.test  }"},
		{"<svg><a xlink:href=http://t.test>", "{http://t.test  }"}, {"<object data=http://t.test>", "{http://t.test  }"},
		{"<p style='background:url(http://t.test)'>", "{http://t.test  }"},
		{"<style>a{b:url(http://t.test)}</style>", "{http://t.test  }"},
		{"<style>@import 'http://t.test';</style>", "{http://t.test  }"},
		{"<link rel=stylesheet href=http://t.test>", "{http://t.test  }"},
		{"<iframe src=http://t.test>", "{http://t.test  }"},
		{"<!--[if mso]><a href='http://t.test/'>x</a><![endif]-->", "{http://t.test/  }"},
		{"<iframe srcdoc='<a href=\"http://t.test\">x</a>'>", "{http://t.test  }"},
	} {
		r := NewReview(mailWith("Content-Type: text/html\n\n" + tt.in))
		got := strings.Trim(fmt.Sprint(r.Links), "[]")
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.in, got, tt.want)
		}
		for _, l := range r.Links {
			if strings.Contains(codes(r), string(WarnLink)) != (l.Why != "") {
				t.Errorf("%s: %+v without its warning: %v", tt.in, l, r.Warnings)
			}
		}
	}
}

// The same target behind two texts is two links; a bare one beside it is none.
func TestALinkIsListedWithEveryTextThatStandsForIt(t *testing.T) {
	r := NewReview(mailWith("Content-Type: text/html\n\nhttp://t.test/ <a href=http://t.test/>a</a> " +
		"<a href=http://t.test/>bank.example</a>" +
		" <a href=http://t.test/>a</a> http://t.test/"))
	want := "[{http://t.test/ a } {http://t.test/ bank.example its text names bank.example}]"
	if got := fmt.Sprint(r.Links); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
