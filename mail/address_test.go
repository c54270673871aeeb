package mail

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// The list follows Dominic Sayers' isemail: the forms of RFC 5321 and 5322 that
// implementations get wrong. want is what the wire shows; "" means refused.
var addressTests = []struct{ in, want string }{
	// Plain dot-atoms.
	{"test@iana.org", "test@iana.org"},
	{"test@nominet.org.uk", "test@nominet.org.uk"},
	{"a@iana.org", "a@iana.org"},
	{"test.test@iana.org", "test.test@iana.org"},
	{"123@iana.org", "123@iana.org"},
	{"!#$%&`*+/=?^`{|}~@iana.org", ""}, // holds "=?"
	{"!#$%&`*+/=^`{|}~@iana.org", "!#$%&`*+/=^`{|}~@iana.org"},
	{"user+tag@iana.org", "user+tag@iana.org"},
	{"o'neill@iana.org", "o'neill@iana.org"},
	{"Test@IANA.Org", "Test@iana.org"},
	{"test@123.com", "test@123.com"},
	{"test@xn--hxajbheg2az3al.xn--jxalpdlp", "test@xn--hxajbheg2az3al.xn--jxalpdlp"},
	{"test@a--b.org", "test@a--b.org"},
	{strings.Repeat("a", 64) + "@iana.org", strings.Repeat("a", 64) + "@iana.org"},

	// Not dot-atoms.
	{"", ""},
	{"test", ""},
	{"@", ""},
	{"test@", ""},
	{"@iana.org", ""},
	{"test@@iana.org", ""},
	{"test@iana@org.org", ""},
	{".test@iana.org", ""},
	{"test.@iana.org", ""},
	{"test..test@iana.org", ""},
	{"te st@iana.org", ""},
	{" test@iana.org", ""},
	{"test @iana.org", ""},
	{"test@iana.org ", ""},
	{"test@ iana.org", ""},
	{`test\@test@iana.org`, ""},
	{"te(comment)st@iana.org", ""},
	{"(comment)test@iana.org", ""},
	{"test@iana.org(comment)", ""},
	{"test;b@iana.org", ""},
	{"test,b@iana.org", ""},
	{"<test@iana.org>", ""},
	{"test@iana.org>", ""},
	{"tést@iana.org", ""},
	{"test@iána.org", ""},
	{"test@ban\u212a.org", ""}, // the Kelvin sign is a k in lower case
	{"test@\u0130ana.org", ""}, // so is a dotted I nearly an i
	{strings.Repeat("a", 65) + "@iana.org", ""},

	// Domains.
	{"test@localhost", ""},
	{"test@iana.org.", ""},
	{"test@.iana.org", ""},
	{"test@iana..org", ""},
	{"test@-iana.org", ""},
	{"test@iana-.org", ""},
	{"test@ia_na.org", ""},
	{"test@[127.0.0.1]", ""},
	{"test@[IPv6:::1]", ""},
	{"test@127.0.0.1", ""},
	{"test@" + strings.Repeat("a", 64) + ".org", ""},
	{"test@" + strings.Repeat("a", 63) + ".org", "test@" + strings.Repeat("a", 63) + ".org"},
	{"t@" + strings.Repeat("a.", 126) + "org", ""},
	{"test@iana.org\x00", ""},

	// Quoted local parts.
	{`"test"@iana.org`, "test@iana.org"},
	{`"te st"@iana.org`, `"te st"@iana.org`},
	{`".test"@iana.org`, `".test"@iana.org`},
	{`"test..test"@iana.org`, `"test..test"@iana.org`},
	{`""@iana.org`, ""},
	{`"@iana.org`, ""},
	{`"test@iana.org`, ""},
	{`"test"test@iana.org`, ""},
	{`test"test"@iana.org`, ""},
	{`"test"."test"@iana.org`, ""},
	{`"te\"st"@iana.org`, `"te\"st"@iana.org`},
	{`"test\ blah"@iana.org`, `"test blah"@iana.org`},
	{`"te\st"@iana.org`, "test@iana.org"},
	{`"a\\b"@iana.org`, `"a\\b"@iana.org`},
	{`"a@b"@iana.org`, `"a@b"@iana.org`},
	{`"a\@b"@iana.org`, `"a@b"@iana.org`},
	{`"a,b;c:d"@iana.org`, `"a,b;c:d"@iana.org`},
	{`"(a)[b]"@iana.org`, `"(a)[b]"@iana.org`},
	{`"a@b\"@iana.org`, ""},
	{`"a"b"@iana.org`, ""},
	{`"a"@b"@iana.org`, ""},
	{`"a\>b"@iana.org`, ""},
	{`"a<b"@iana.org`, ""},
	{`"=\?utf-8?q?user?="@iana.org`, ""},
	{"\"a\\\tb\"@iana.org", ""},
	{"\"a\\\x7fb\"@iana.org", ""},
	{"\"a\xffb\"@iana.org", ""},
	{`"te` + "\t" + `st"@iana.org`, ""},
	{`"te` + "\r\n" + `st"@iana.org`, ""},

	// Routing tricks (percent, bang, route) and smuggled recipients.
	{"user%evil.com@good.com", "user%evil.com@good.com"}, // routed to good.com, never elsewhere
	{"evil.com!user@good.com", "evil.com!user@good.com"},
	{"@evil.com:user@good.com", ""},
	{"@a.com,@b.com:user@good.com", ""},
	{`"user@evil.com"@good.com`, `"user@evil.com"@good.com`},
	{`"user%evil.com"@good.com`, "user%evil.com@good.com"},
	{`"evil.com!user"@good.com`, "evil.com!user@good.com"},
	{`"v@evil.com> ORCPT=rfc822;y"@good.com`, ""},
	{`"a> b"@good.com`, ""},
	{`"a@evil x"@internal.test`, `"a@evil x"@internal.test`},
	{"user@evil.com\r\nRCPT TO:<x@y.com>", ""},
	{"user@good.com\n", ""},
	{"user\x7f@good.com", ""},
	{"=?utf-8?q?user=40evil.com=3e?=@good.com", ""},
	{`"=?utf-8?q?user?="@good.com`, ""},
	{"<`id`@good.com>", ""},
	{"`id`@good.com", "`id`@good.com"}, // stays data: no local part meets a shell
	{"${run{id}}@good.com", "${run{id}}@good.com"},
}

func TestParseAddressTakesOnlyFormsThatAllMailSystemsReadAlike(t *testing.T) {
	if len(addressTests) < 60 {
		t.Fatalf("only %d addresses", len(addressTests))
	}
	for _, tt := range addressTests {
		a, err := ParseAddress(tt.in)
		if (err == nil) != (tt.want != "") || a.String() != tt.want {
			t.Errorf("ParseAddress(%q) = %q, %v, want %q", tt.in, a, err, tt.want)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Reason != ReasonAddress) {
			t.Errorf("ParseAddress(%q): error %#v is not of reason address", tt.in, err)
		}
	}
}

func TestAddressLongerThan254OctetsIsRefused(t *testing.T) {
	domain := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 58)
	fits := strings.Repeat("l", 64) + "@" + domain + ".x"
	if len(fits) != 253 {
		t.Fatalf("test address has %d octets", len(fits))
	}
	if _, err := ParseAddress(fits + "y"); err != nil {
		t.Errorf("254 octets: %v", err)
	}
	if _, err := ParseAddress(fits + "yz"); err == nil {
		t.Error("255 octets were accepted")
	}
}

func TestAddressKeyFoldsCaseAndStringKeepsTheLocalPart(t *testing.T) {
	a := MustAddress("Bob.Smith@Example.COM")
	if a.String() != "Bob.Smith@example.com" || a.Key() != "bob.smith@example.com" ||
		a.Local() != "Bob.Smith" || a.Domain() != "example.com" {
		t.Errorf("got %q %q %q %q", a.String(), a.Key(), a.Local(), a.Domain())
	}
	if a != MustAddress("Bob.Smith@example.com") {
		t.Error("two spellings of one domain are two addresses")
	}
}

func TestNullSenderIsTheZeroAddressAndPrintsAsNothing(t *testing.T) {
	var a Address
	if !a.IsZero() || a.String() != "" || a.Key() != "" {
		t.Errorf("zero address: %q", a)
	}
	if MustAddress("a@b.test").IsZero() {
		t.Error("an address is the null sender")
	}
}

func TestAddressKeepsItsValueThroughJSON(t *testing.T) {
	for _, s := range []string{"", "a@b.test", `"a b"@c.test`} {
		var a, b Address
		if err := a.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(j, &b); err != nil || a != b {
			t.Errorf("%q became %q through %s: %v", a, b, j, err)
		}
	}
	var a Address
	if err := json.Unmarshal([]byte(`"a@b.test> x"`), &a); err == nil || !a.IsZero() {
		t.Errorf("a malformed address came out of JSON as %q", a)
	}
	a = MustAddress("old@b.test")
	if err := a.UnmarshalText(nil); err != nil || !a.IsZero() {
		t.Errorf("empty text left %q: %v", a, err)
	}
}

func TestMustAddressPanicsOnAMistakeInAConstant(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	MustAddress("not an address")
}

func TestParseDomain(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Example.COM", "example.com"},
		{"a.b.example.com", "a.b.example.com"},
		{"xn--bcher-kva.test", "xn--bcher-kva.test"},
		{"localhost", ""},
		{"ban\u212a.org", ""},
		{"example.com.", ""},
		{"exa mple.com", ""},
		{"example.com\r\n", ""},
		{"*.example.com", ""},
		{"../keys.test", ""},
		{"10.0.0.1", ""},
		{"bücher.test", ""},
		{"", ""},
	} {
		got, err := ParseDomain(tt.in)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseDomain(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

// checkWireForm fails if the printed address could end a path or a line.
func checkWireForm(t *testing.T, a Address) {
	t.Helper()
	s := a.String()
	quoted, pair := false, false
	for _, c := range []byte(s) {
		switch {
		case pair:
			pair = false
		case quoted && c == '\\':
			pair = true
		case c == '"':
			quoted = !quoted
		case c < ' ' || c > '~' || c == '<' || c == '>' || c == ' ' && !quoted:
			t.Fatalf("%q holds %q", s, c)
		}
	}
	if at := strings.LastIndexByte(s, '@'); quoted || at < 1 || s[at+1:] != a.Domain() {
		t.Fatalf("%q does not end in its domain %q", s, a.Domain())
	}
	if strings.Count(s, "@") != 1 && s[0] != '"' {
		t.Fatalf("%q holds more than one @", s)
	}
}

func FuzzAddress(f *testing.F) {
	for _, tt := range addressTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			if !a.IsZero() {
				t.Fatalf("%q was refused and yet returned %q", s, a)
			}
			return
		}
		checkWireForm(t, a)
		if b, err := ParseAddress(a.String()); err != nil || b != a {
			t.Fatalf("%q prints as %q, which reads as %q: %v", s, a, b, err)
		}
	})
}

func TestDomainsAreCheckedBeforeTheyAreFolded(t *testing.T) {
	for _, s := range []string{"eve@ban\u212a.test", "eve@\u0130stanbul.test"} {
		if a, err := ParseAddress(s); err == nil {
			t.Errorf("%q became %s", s, a)
		}
	}
	if d, err := ParseDomain("ban\u212a.test"); err == nil {
		t.Errorf("the Kelvin sign became %s", d)
	}
}

// Every octet that may stand in a quoted local part comes back as it went in.
func TestQuotedLocalPartsComeBackFromEveryForm(t *testing.T) {
	for c := byte(' '); c <= '~'; c++ {
		s := `"a ` + quoteLocal.Replace(string(c)) + `b"@c.test`
		a, err := ParseAddress(s)
		if c == '<' || c == '>' {
			if err == nil {
				t.Errorf("%q was taken", s)
			}
			continue
		}
		if err != nil || a.String() != s || a.Local() != "a "+string(c)+"b" || a.Key() != strings.ToLower(s) {
			t.Errorf("%q: %q, %v", s, a, err)
		}
	}
}
