package mail

import "strings"

// MaxPlain is the longest text of another server that is kept.
const MaxPlain = 512 // octets

// PlainLine makes the text of another server safe for a log, a page and a notice
// (invariant 9): one line of printable ASCII of bounded length.
func PlainLine(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		if b.Len() == MaxPlain {
			break
		}
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			r = ' '
		case !IsPrintable(r):
			r = '?'
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// EnhancedCode returns s if it is a status code of RFC 3463, section 2, and "" if not.
func EnhancedCode(s string) string {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || !strings.Contains("245", parts[0]) {
		return ""
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return ""
		}
	}
	return s
}
