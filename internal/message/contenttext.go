package message

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxContentMarks is how many combining marks may follow each other. Programs that
// normalise a stream put characters of their own between more than 30 (UAX 15,
// section 13), and one mark may stand for two.
const maxContentMarks = 12

// contentCharset decodes the text of a part in one of four charsets that all
// mail programs read alike.
func contentCharset(set string, data []byte) (string, error) {
	text := string(data)
	switch set = lowerASCII(set); set {
	case "", "us-ascii":
		if hasEightBit(data) {
			return "", errors.New("a text in ASCII holds 8-bit octets")
		}
	case "utf-8":
		if !utf8.Valid(data) {
			return "", errors.New("a text is not in UTF-8")
		}
	case "iso-8859-1":
		runes := make([]rune, len(data))
		for i, c := range data {
			runes[i] = rune(c)
		}
		text = string(runes)
	case "windows-1252":
		if text = windows1252(data); strings.ContainsRune(text, utf8.RuneError) {
			return "", errors.New("a text holds octets that are not in its charset")
		}
	default:
		return "", errors.New("a charset is none of us-ascii, utf-8, iso-8859-1 and windows-1252")
	}
	if strings.ContainsFunc(text, isContentControl) {
		return "", errors.New("a text holds control characters")
	}
	return text, nil
}

// isContentControl reports whether r is a control character that is no white space.
func isContentControl(r rune) bool {
	return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\f' && r != '\r'
}

// contentWords returns text in NFC, with one blank for each run of white space
// and none at its ends.
func contentWords(text string) (string, error) {
	if hasEightBit([]byte(text)) {
		if tooManyMarks(text) {
			return "", errors.New("too many combining marks follow each other")
		}
		text = toNFC(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	word := 0 // where the word under way begins
	flush := func(end int) {
		if word < end {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(text[word:end])
		}
	}
	for i, r := range text {
		if isContentSpace(r) {
			flush(i)
			word = i + utf8.RuneLen(r)
		}
	}
	flush(len(text))
	return b.String(), nil
}

// tooManyMarks reports whether more than maxContentMarks follow each other.
func tooManyMarks(text string) bool {
	marks := 0
	for _, r := range text {
		if marks++; r < firstMark || !unicode.Is(unicode.M, r) && (r < 0x1160 || r > 0x11ff) {
			marks = 0
		}
		if marks > maxContentMarks {
			return true
		}
	}
	return false
}

// firstMark is the first character of general category M.
const firstMark = 0x300

// isContentSpace reports whether r has the property White_Space of Unicode.
// The two of these that are controls never get here.
func isContentSpace(r rune) bool { return unicode.IsSpace(r) }

// toNFC returns s in NFC. The library parts long runs of characters that it
// takes for marks, so it gets the text from one boundary to the next.
func toNFC(s string) string {
	var b strings.Builder
	start := 0
	for i, r := range s {
		if r >= utf8.RuneSelf && norm.NFC.PropertiesString(s[i:]).BoundaryBefore() {
			b.WriteString(norm.NFC.String(s[start:i]))
			start = i
		}
	}
	b.WriteString(norm.NFC.String(s[start:]))
	return b.String()
}
