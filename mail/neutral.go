package mail

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Neutralise makes visible what would otherwise act on the screen or hide on
// it: controls except \n and \t, direction overrides, zero-width and other
// invisible characters, line and paragraph separators, and octets that are not
// UTF-8 become escapes such as \x1b, \u202e or \U000e0041.
func Neutralise(s string) string {
	if !needsNeutral(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !isInvisible(r):
			b.WriteString(s[i : i+n])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// neutralLine is Neutralise for what is shown on one line.
func neutralLine(s string) string {
	s = Neutralise(s)
	if strings.ContainsAny(s, "\n\t") {
		s = strings.NewReplacer("\n", `\x0a`, "\t", " ").Replace(s)
	}
	return s
}

func needsNeutral(s string) bool {
	for i, r := range s {
		if isInvisible(r) {
			return true
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return true
			}
		}
	}
	return false
}

// isInvisible reports whether Neutralise escapes r.
func isInvisible(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x7f:
		return r < ' '
	case r < 0xad:
		return r < 0xa0
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
		return true
	case r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0 || r == 0x034f:
		return true // Hangul fillers, combining grapheme joiner
	case r >= 0xfe00 && r <= 0xfe0d || r >= 0xe0000 && r <= 0xe0fff:
		return true // variation selectors; the last two choose text or emoji and pass
	}
	return false
}

// isControl reports whether r is a control character, \n and \t included, or a
// line or paragraph separator.
func isControl(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// isBidi reports whether r changes the direction of the text around it
// (Unicode Standard Annex 9; the trick of CVE-2021-42574).
func isBidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x200e || r == 0x200f || r == 0x061c
}
