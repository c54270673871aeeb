package mail

import (
	"mime"
	"strings"

	"github.com/emersion/go-message/charset"
)

// decodeWords decodes the encoded-words of a header value (RFC 2047). What
// cannot be decoded stays as it is. The result may hold any character: pass it
// through Neutralise before it is shown.
func decodeWords(s string) string {
	var b strings.Builder
	afterWord := false
	for {
		i := strings.Index(s, "=?")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		text, n := encodedWord(s[i:])
		if n == 0 {
			b.WriteString(s[:i+2])
			s, afterWord = s[i+2:], false
			continue
		}
		// The blanks between two encoded-words are not shown (section 6.2).
		if !afterWord || strings.Trim(s[:i], " \t") != "" {
			b.WriteString(s[:i])
		}
		b.WriteString(text)
		s, afterWord = s[i+n:], true
	}
}

// encodedWord decodes the encoded-word s begins with and returns how many
// octets it takes, or 0. The standard library's DecodeHeader is not used: it
// looks for the end of a word in the whole rest of the header, each time.
func encodedWord(s string) (text string, n int) {
	set, rest, ok := strings.Cut(strings.TrimPrefix(s, "=?"), "?")
	if !ok || len(rest) < 3 || rest[1] != '?' {
		return "", 0
	}
	encoding, rest := rest[:1], rest[2:]
	end := strings.IndexByte(rest, '?')
	if end < 0 || end+1 == len(rest) || rest[end+1] != '=' {
		return "", 0
	}
	n = len(s) - len(rest) + end + 2
	lang, _, _ := strings.Cut(set, "*") // RFC 2231, section 5
	dec := mime.WordDecoder{CharsetReader: charset.Reader}
	text, err := dec.Decode("=?" + lang + "?" + encoding + "?" + rest[:end] + "?=")
	if err != nil {
		return "", 0
	}
	return text, n
}
