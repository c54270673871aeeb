package mail

import (
	"strings"
	"unicode"
)

// IsPrintable reports whether c is printable ASCII, the blank included.
func IsPrintable(c rune) bool { return c >= ' ' && c <= '~' }

// AllPrintable reports whether s has no other characters than printable ASCII.
func AllPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return !IsPrintable(c) })
}

// IsControl reports whether r is a control character, \n and \t included, or a
// line or paragraph separator.
func IsControl(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// IsBidi reports whether r changes the direction of the text around it
// (Unicode Standard Annex 9; the trick of CVE-2021-42574).
func IsBidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x200e || r == 0x200f || r == 0x061c
}

// IsAtext reports whether c may stand in an atom (RFC 5322, 3.2.3).
func IsAtext(c byte) bool {
	return IsAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// IsAlnum reports whether c is an ASCII letter or digit.
func IsAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
