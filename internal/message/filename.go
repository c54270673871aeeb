package message

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/multimail/multimail/mail"
)

// maxFileName is the longest name, in octets, that common file systems take.
const maxFileName = 255

// devices are names that Windows opens as a device in any directory, with any
// extension.
var devices = map[string]bool{
	"con": true, "prn": true, "aux": true, "nul": true, "conin$": true, "conout$": true, "clock$": true,
}

// CheckFileName says why a program that saves a file under this name could
// write to another place or show another name, or "". Composing refuses such a
// name; in a mail that comes in, it is a warning at the part. The text
// continues a sentence: "the name …".
func CheckFileName(name string) string {
	if len(name) > maxFileName {
		return "is longer than 255 octets"
	}
	if strings.ContainsFunc(name, mail.IsControl) || strings.ContainsFunc(name, mail.IsInvisible) {
		return "holds invisible or control characters"
	}
	if decodeWords(name) != name {
		return "holds an encoded-word, which some programs decode"
	}
	// Programs that map a name to a smaller character set turn full-width forms
	// into these characters.
	plain := strings.ToLower(norm.NFKC.String(name))
	if strings.ContainsAny(plain, `/\:`+"\u2044\u2215\u29f5\u29f8") ||
		strings.Contains(plain, "%2f") || strings.Contains(plain, "%5c") || strings.Contains(plain, "%3a") {
		return "is a path"
	}
	base := strings.TrimRight(plain, ". ")
	if base == "" {
		return "is a path"
	}
	if strings.Contains(plain, "  ") {
		return "holds a run of blanks, which can push its end out of sight"
	}
	stem, _, _ := strings.Cut(strings.TrimLeft(base, " "), ".")
	stem = strings.TrimRight(stem, " ")
	if devices[stem] || len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) &&
		stem[3] >= '0' && stem[3] <= '9' {
		return "is a device"
	}
	if base != plain || strings.HasPrefix(plain, " ") {
		return "begins with a blank or ends with a blank or a dot, which some programs remove"
	}
	return ""
}
