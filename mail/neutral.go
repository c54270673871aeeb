package mail

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Neutralise makes visible what would otherwise act on the screen or hide on
// it: controls except \n and \t, direction overrides, zero-width and other
// invisible characters, line and paragraph separators, combining marks that
// stand on nothing or in a pile, and octets that are not UTF-8 become escapes
// such as \x1b, \u202e or \U000e0041.
func Neutralise(s string) string {
	if !needsNeutral(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	var marks pile
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !marks.grows(r) && !IsInvisible(r):
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

// NeutralLine is Neutralise for what is shown on one line.
func NeutralLine(s string) string {
	s = Neutralise(s)
	if strings.ContainsAny(s, "\n\t") {
		s = strings.NewReplacer("\n", `\x0a`, "\t", " ").Replace(s)
	}
	return s
}

// maxPile is how many combining marks may stand on one character. Languages
// need four; more of them paint over the lines above and below.
const maxPile = 6

// pile counts the combining marks on the character before them.
type pile struct {
	based bool // there is a character that they can stand on
	marks int
}

// grows takes the next rune and reports whether it is a mark too many.
func (p *pile) grows(r rune) bool {
	if r < 0x300 || !unicode.In(r, unicode.Mn, unicode.Me) {
		p.based, p.marks = r != '\n' && r != '\t' && r != ' ', 0
		return false
	}
	p.marks++
	return !p.based || p.marks > maxPile
}

func needsNeutral(s string) bool {
	if plain(s) {
		return false
	}
	var marks pile
	for i, r := range s {
		if marks.grows(r) || IsInvisible(r) {
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

// plain reports whether s is ASCII that is seen, with its line ends and tabs. Most text
// is, and this is quicker than asking of each rune.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// IsInvisible reports whether Neutralise escapes r.
func IsInvisible(r rune) bool {
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
