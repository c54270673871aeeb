package message

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// foldAt is the line length that folding aims at (RFC 5322, section 2.1.1).
const foldAt = 76

// fold writes a header field from words with one space between them, and
// begins a new line before a word that would not fit.
func fold(name string, words []string) string {
	var b strings.Builder
	b.WriteString(name)
	b.WriteByte(':')
	col := len(name) + 1
	for i, w := range words {
		if i > 0 && col+1+len(w) > foldAt {
			b.WriteString("\r\n")
			col = 0
		}
		b.WriteByte(' ')
		b.WriteString(w)
		col += 1 + len(w)
	}
	b.WriteString("\r\n")
	return b.String()
}

// unstructured returns the words of free text: as they are when they are plain
// ASCII that folding cannot change, else as encoded-words.
func unstructured(s string) []string {
	words := strings.Split(s, " ")
	for _, w := range words {
		if w == "" && s != "" || len(w) > foldAt-len("Subject: ") || !allVisible(w) ||
			strings.Contains(w, "=?") {
			return encodeWords(s)
		}
	}
	return words
}

// phrase returns a display name as words: atoms, one quoted string, or
// encoded-words, in base64 since a phrase forbids much of what Q leaves as it
// is (RFC 2047, section 5, rule 3).
func phrase(name string) []string {
	if name == "" {
		return nil
	}
	words := unstructured(name)
	if strings.HasPrefix(words[0], "=?") {
		return base64Words(name)
	}
	for _, w := range words {
		if strings.IndexFunc(w, func(r rune) bool { return !mail.IsAtext(byte(r)) }) < 0 {
			continue
		}
		if len(name) > 60 {
			return base64Words(name) // a quoted string must not be cut
		}
		return []string{`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`}
	}
	return words
}

func allVisible(s string) bool {
	for _, c := range []byte(s) {
		if !isVisible(c) {
			return false
		}
	}
	return true
}

// encodeWords returns s as encoded-words (RFC 2047). The standard encoder
// leaves ASCII alone, even where blanks or length would not survive.
func encodeWords(s string) []string {
	if w := mime.QEncoding.Encode("utf-8", s); w != s {
		return strings.Split(w, " ")
	}
	return base64Words(s)
}

// base64Words returns s as encoded-words of whole characters.
func base64Words(s string) []string {
	var out []string
	for len(s) > 0 {
		n := min(len(s), 45) // 60 characters of base64
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		out = append(out, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return out
}
