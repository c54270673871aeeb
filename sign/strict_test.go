package sign

import (
	"strings"
	"testing"
)

// strictCase is a stamped mail that was changed; failed is the check that finds it.
type strictCase struct{ name, eml, failed string }

// refuse expects each of the changed mails to be invalid.
func (h *fixture) refuse(t *testing.T, eml string, cases []strictCase) {
	t.Helper()
	for _, tt := range cases {
		if tt.eml == eml {
			t.Errorf("%s: nothing was changed", tt.name)
			continue
		}
		if v := h.verify(tt.eml); v.Status != Invalid || failed(v) != tt.failed || v.Claims.ID != "" {
			t.Errorf("%s: %s, failed %q; want %s, %q", tt.name, v.Status, failed(v), Invalid, tt.failed)
		}
	}
}

// A message that mail programs split in another way than this verifier shows
// its reader another sender, subject or body than the one that was checked.
func TestAMessageThatProgramsSplitDifferentlyIsInvalid(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	header := func(s string) string { return s + eml }
	h.refuse(t, eml, []strictCase{
		{"a bare CR in the header", header("X-A: b\rSubject: other\r\n"), "message"},
		{"a bare LF in the header", header("X-A: b\nSubject: other\r\n"), "message"},
		{"a bare LF before the end of the header", header("X-A: b\n\r\nother\r\n"), "message"},
		{"a bare CR in the body", eml + "\rmore", "message"},
		{"a bare LF in the body", eml + "more\n", "message"},
		{"a NUL in the header", header("X-A: \x00\r\n"), "message"},
		{"a NUL in the body", eml + "\x00\r\n", "message"},
		{"a first line that begins with a blank", header(" X-A: b\r\n"), "message"},
		{"a first line that begins with a tab", header("\tX-A: b\r\n"), "message"},
		{"a blank before the colon", header("X-A : b\r\n"), "message"},
		{"a line without a colon", header("other\r\n"), "message"},
		{"a field without a name", header(": other\r\n"), "message"},
		{"8-bit in a field name", header("S\xfcbject: other\r\n"), "message"},
		{"8-bit in a field", header("X-A: \xfc\r\n"), "message"},
		{"a control character in a field", header("X-A: \x1b[2J\r\n"), "message"},
		{"a folded line of blanks", header("X-A: b\r\n \r\n"), "message"},
		{"a line too long for a mail system", header("X-A: " + strings.Repeat("b", 994) + "\r\n"), "message"},
		{"a second Subject", header("Subject: other\r\n"), "message"},
		{"a second Content-Type", header("Content-Type: text/html\r\nContent-type: text/plain\r\n"), "message"},
		{"a second From in other case", header("FROM: eve@example.org\r\n"), "message"},
	})
}

func TestAFromOrMessageIDThatProgramsReadDifferentlyIsInvalid(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	from := func(s string) string {
		return strings.Replace(eml, "From: Example Bot <bot@example.com>", "From: "+s, 1)
	}
	h.refuse(t, eml, []strictCase{
		{"a second address", from("Bot <bot@example.com>, eve@example.org"), "from"},
		{"words that are no address", from("eve, Bot <bot@example.com>"), "from"},
		{"a group", from("Team: bot@example.com;"), "from"},
		{"a comment", from("bot@example.com (eve@example.org)"), "from"},
		{"something behind the bracket", from("Bot <bot@example.com> eve"), "from"},
		{"an address in the name", from(`"eve@example.org" <bot@example.com>`), "from"},
		{"an address in an encoded name", from("=?utf-8?q?eve=40example.org?= <bot@example.com>"), "from"},
		{"an encoded-word that cannot be decoded", from("=?x-nobody?q?eve?= <bot@example.com>"), "from"},
		{"a route", from("<@example.org:bot@example.com>"), "from"},
		{"a Message-ID with a second id", strings.Replace(eml, "<1@example.com>", "<1@example.com> <2@example.com>", 1),
			"from"},
		{"a Message-ID without brackets", strings.Replace(eml, "<1@example.com>", "1@example.com", 1), "from"},
	})
}

func TestATokenThatWasFoldedOrDressedUpIsInvalid(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	for !strings.Contains(tokenOf(t, eml), "-") { // a signature differs each time
		eml = h.stamped()
	}
	token := tokenOf(t, eml)
	h.refuse(t, eml, []strictCase{
		{"a folded token", strings.Replace(eml, token, token[:70]+"\r\n "+token[70:], 1), "header"},
		{"a blank in the token", strings.Replace(eml, token, token[:70]+" "+token[70:], 1), "header"},
		{"a tab in the token", strings.Replace(eml, token, token[:70]+"\t"+token[70:], 1), "header"},
		{"padding in the token", strings.Replace(eml, token, token+"==", 1), "header"},
		{"a comment behind the token", strings.Replace(eml, token, token+" (x)", 1), "header"},
		{"base64 of the other alphabet", strings.Replace(eml, token, strings.ReplaceAll(token, "-", "+"), 1), "header"},
	})
}
