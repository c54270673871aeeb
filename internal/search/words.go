package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord is how many octets of a word are kept: words that begin with the same
// ones are the same word.
const maxWord = 64

// words returns what text is indexed as: words parted by blanks, in lower case and
// without diacritics. Where a script is written without blanks every two characters
// are a word, and each single one stands once more behind the text.
func words(text string) string {
	w := writer{single: map[rune]bool{}}
	w.b.Grow(len(text))
	w.split(text)
	w.flush()
	for _, r := range w.singles {
		w.put(string(r))
	}
	return w.b.String()
}

// phrase returns the words of a part of a query, in their order.
func phrase(text string) string {
	var w writer
	w.split(text)
	w.flush()
	return w.b.String()
}

// writer gathers words.
type writer struct {
	b      strings.Builder
	word   []byte // under way
	last   rune   // the character before, in a script without blanks; 0 for none
	paired bool   // last is part of a word that was written

	single  map[rune]bool // nil: nobody asks for single characters
	singles []rune
}

// split takes text apart. ASCII, which most of it is, goes past the tables.
func (w *writer) split(text string) {
	for i := 0; i < len(text); {
		if c := text[i]; isASCIIWord(c) || c >= utf8.RuneSelf {
			end, plain := run(text, i)
			if plain {
				w.ascii(text[i:end])
			} else {
				w.fold(text[i:end])
			}
			i = end
			continue
		}
		w.flush()
		i++
	}
}

// run returns where the characters of words that begin at i end, and whether all
// of them are ASCII.
func run(text string, i int) (end int, plain bool) {
	plain = true
	for end = i; end < len(text); end++ {
		if c := text[end]; c >= utf8.RuneSelf {
			plain = false
		} else if !isASCIIWord(c) {
			break
		}
	}
	return end, plain
}

func isASCIIWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (w *writer) ascii(s string) {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		w.word = append(w.word, c)
	}
}

// fold takes what has characters beyond ASCII. Decomposed and without marks, it is
// composed again: a syllable of Hangul is one character.
func (w *writer) fold(s string) {
	bare := strings.Map(func(r rune) rune {
		if isMark(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToValidUTF8(s, " ")))
	for _, r := range norm.NFC.String(bare) {
		switch {
		case !unicode.In(r, unicode.L, unicode.N, unicode.M):
			w.flush()
		case isDense(r):
			w.dense(r)
		default:
			w.rune(r)
		}
	}
}

// rune adds one character of a script with blanks to the word under way.
func (w *writer) rune(r rune) {
	if w.last != 0 {
		w.flush()
	}
	if s, ok := folds[r]; ok {
		w.word = append(w.word, s...)
		return
	}
	w.word = utf8.AppendRune(w.word, unicode.ToLower(unicode.ToUpper(r)))
}

// dense adds one character of a script without blanks: it makes a word with the one
// before it.
func (w *writer) dense(r rune) {
	if w.last == 0 {
		w.flush()
	} else {
		w.put(string([]rune{w.last, r}))
		w.paired = true
	}
	w.last = r
	if w.single != nil && !w.single[r] {
		w.single[r] = true
		w.singles = append(w.singles, r)
	}
}

// flush ends the word under way.
func (w *writer) flush() {
	if w.last != 0 && !w.paired {
		w.put(string(w.last))
	}
	w.last, w.paired = 0, false
	if len(w.word) > 0 {
		w.put(cut(string(w.word), maxWord))
		w.word = w.word[:0]
	}
}

// cut returns the characters of s that begin and end within n octets.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (w *writer) put(word string) {
	if w.b.Len() > 0 {
		w.b.WriteByte(' ')
	}
	w.b.WriteString(word)
}

// folds are letters that do not decompose, and are written without their stroke.
var folds = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o",
	'ł': "l", 'Ł': "l", 'đ': "d", 'Đ': "d", 'ð': "d", 'Ð': "d", 'ħ': "h", 'Ħ': "h", 'þ': "th", 'Þ': "th",
}

// marks are the diacritics that a word is found without. The vowels of Indic and
// Thai scripts are marks too, and stay: without them it would be another word.
var marks = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0300, Hi: 0x036f, Stride: 1}, {Lo: 0x0591, Hi: 0x05bd, Stride: 1}, {Lo: 0x05bf, Hi: 0x05c7, Stride: 1},
	{Lo: 0x0610, Hi: 0x061a, Stride: 1}, {Lo: 0x064b, Hi: 0x065f, Stride: 1}, {Lo: 0x0670, Hi: 0x0670, Stride: 1},
	{Lo: 0x06d6, Hi: 0x06ed, Stride: 1}, {Lo: 0x1ab0, Hi: 0x1aff, Stride: 1}, {Lo: 0x1dc0, Hi: 0x1dff, Stride: 1},
	{Lo: 0x20d0, Hi: 0x20ff, Stride: 1}, {Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, {Lo: 0xfe20, Hi: 0xfe2f, Stride: 1},
}}

func isMark(r rune) bool { return unicode.Is(marks, r) && unicode.Is(unicode.M, r) }

// isDense reports whether r is of a script that is written without blanks, or, as
// Hangul, with endings that a reader does not search for.
func isDense(r rune) bool {
	return r >= 0x0e00 && (r == 'ー' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar))
}
