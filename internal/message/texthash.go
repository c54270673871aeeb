package message

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"unicode"

	"github.com/multimail/multimail/mail"
)

// hashedText is how many octets of text are read as words; those beyond count
// as they stand.
const hashedText = 1 << 20

// textHash returns the hash of what the mail says: of the words of every part
// that is shown, without case, signs and spacing. It is "" for a mail that says
// nothing. Two mails with one hash say the same.
func textHash(root *entity, left *budget) string {
	t := &texts{h: sha256.New(), budget: left, left: hashedText}
	t.visit(root)
	if t.words == 0 {
		return ""
	}
	return hex.EncodeToString(t.h.Sum(nil))
}

type texts struct {
	h      hash.Hash
	budget *budget
	left   int // octets that are still read as words
	words  int
}

func (t *texts) visit(e *entity) {
	for _, p := range e.parts {
		t.visit(p)
	}
	if len(e.parts) > 0 || !e.shown() {
		return
	}
	data, _ := e.decode(t.budget)
	n := min(len(data), t.left)
	if !t.budget.build(2 * n) { // the text, and the words of a page
		n = 0
	}
	data, rest := data[:n], data[n:]
	t.left -= n
	text, _ := decodeCharset(e.typ.first("charset"), data)
	if e.kind == "text/html" {
		text = renderHTML(text).words.String()
	}
	t.add(text)
	t.h.Write(rest)
}

// add hashes the words of a text.
func (t *texts) add(text string) {
	var word []byte
	end := func() {
		if len(word) > 0 {
			t.words++
			t.h.Write(append(word, ' '))
			word = word[:0]
		}
	}
	for _, r := range text {
		if isWord(r) {
			word = append(word, string(unicode.ToLower(r))...)
		} else {
			end()
		}
	}
	end()
}

// isWord reports whether r belongs to a word, or is a sign that carries meaning.
func isWord(r rune) bool {
	if r < 0x80 {
		return mail.IsAlnum(byte(r)) || r == '%' || r == '$'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Sc, unicode.So)
}
