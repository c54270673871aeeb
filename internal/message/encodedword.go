package message

import (
	"strings"
	"unicode/utf8"
)

// word is a stretch of a header value: an encoded-word (RFC 2047), or text as
// it stands when set and encoding are empty.
type word struct {
	raw      string
	set      string
	encoding byte // 'b', 'q', or 0 for text
	text     string
}

// decodeWords decodes the encoded-words of a header value as the most lenient
// common program does. The result may hold any character: pass it through
// Neutralise before it is shown.
func decodeWords(s string) string { return readWords(s)[0] }

// readWords returns the distinct readings of a header value that may hold
// encoded-words, at least one: the most lenient first, that of RFC 2047 among
// the others. Each costs one pass.
func readWords(s string) []string {
	if !strings.Contains(s, "=?") {
		return []string{s}
	}
	var r readingSet
	lenient := scanWords(s, false)
	r.add(renderWords(lenient, true), renderWords(lenient, false))
	r.add(renderStrict(scanWords(s, true)))
	if r.list == nil {
		return []string{""}
	}
	return r.list
}

// scanWords cuts s into text and encoded-words. Strict words hold no blank and
// no "?", and stand between blanks (RFC 2047, sections 2 and 5). Lenient ones
// stand anywhere, reach to the next "?=", or to the next blank if there is none.
func scanWords(s string, strict bool) []word {
	var out []word
	end := -1 // of the next "?=" that was looked for
	text := 0 // where the text before the next word begins
	for at := 0; ; {
		i := strings.Index(s[at:], "=?")
		if i < 0 {
			break
		}
		at += i
		w, ok := cutWord(s, at, strict, &end)
		if !ok {
			at += 2
			continue
		}
		if text < at {
			out = append(out, word{raw: s[text:at]})
		}
		out = append(out, w)
		at += len(w.raw)
		text = at
	}
	if text < len(s) {
		out = append(out, word{raw: s[text:]})
	}
	return out
}

// cutWord cuts the encoded-word that begins at s[at:]. end remembers where the
// last search for "?=" ended, so that no octet is searched twice.
func cutWord(s string, at int, strict bool, end *int) (w word, ok bool) {
	q := strings.IndexByte(s[at+2:], '?')
	if q < 1 {
		return w, false
	}
	start := at + 2 + q + 3 // of the text, behind "?b?"
	if start > len(s) || s[start-1] != '?' {
		return w, false
	}
	w.set, _, _ = strings.Cut(s[at+2:at+2+q], "*") // RFC 2231, section 5
	if w.encoding = s[start-2] | 0x20; w.encoding != 'b' && w.encoding != 'q' || strings.ContainsAny(w.set, " \t") {
		return w, false
	}
	if *end < start && *end < len(s) {
		*end = len(s)
		if i := strings.Index(s[start:], "?="); i >= 0 {
			*end = start + i
		}
	}
	stop, next := *end, *end+2
	if stop == len(s) { // the end is missing
		if i := strings.IndexAny(s[start:], " \t"); i >= 0 {
			stop = start + i
		}
		next = stop
		if strict {
			return w, false
		}
	}
	w.text, w.raw = s[start:stop], s[at:next]
	if strict && (strings.ContainsAny(w.text, "? \t") || !standsAlone(s, at, next)) {
		return w, false
	}
	w.text = strings.TrimSuffix(w.text, "?")
	return w, true
}

// standsAlone reports whether blanks, ends or the parentheses of a comment
// surround s[from:to].
func standsAlone(s string, from, to int) bool {
	return (from == 0 || strings.IndexByte(" \t(", s[from-1]) >= 0) &&
		(to == len(s) || strings.IndexByte(" \t)", s[to]) >= 0)
}

// renderWords decodes words leniently. The octets of adjacent words of one
// charset are joined before it is applied, since letters are cut between them;
// with join, so are the bits of adjacent words in base64.
func renderWords(words []word, join bool) string {
	var b strings.Builder
	var octets []byte // of the run under way
	var bits base64Decoder
	var last word
	flush := func() {
		if last.encoding != 0 {
			octets = bits.end(octets)
			text, _ := decodeCharset(last.set, octets)
			b.WriteString(text)
		}
		octets, last = octets[:0], word{}
	}
	for i, w := range words {
		if w.encoding == 0 {
			// The blanks between two encoded-words are not shown (section 6.2).
			if i > 0 && i < len(words)-1 && strings.Trim(w.raw, " \t") == "" {
				continue
			}
			flush()
			b.WriteString(w.raw)
			continue
		}
		if !strings.EqualFold(last.set, w.set) {
			flush()
		} else if !join || last.encoding != w.encoding {
			octets = bits.end(octets)
		}
		if w.encoding == 'b' {
			octets = bits.add(octets, []byte(w.text))
		} else {
			octets = appendQ(octets, w.text)
		}
		last = w
	}
	flush()
	return b.String()
}

// renderStrict decodes each word by itself; one that breaks a rule stays.
func renderStrict(words []word) string {
	var b strings.Builder
	decoded := make([]bool, len(words))
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i], decoded[i] = w.strict()
	}
	for i, w := range words {
		if w.encoding == 0 && i > 0 && i < len(words)-1 && decoded[i-1] && decoded[i+1] &&
			strings.Trim(w.raw, " \t") == "" {
			continue
		}
		b.WriteString(texts[i])
	}
	return b.String()
}

// strict decodes one word as RFC 2047 has it; ok is false when it is text, or
// cannot be decoded without loss.
func (w word) strict() (text string, ok bool) {
	if w.encoding == 0 {
		return w.raw, false
	}
	var octets []byte
	if w.encoding == 'q' {
		octets, ok = strictQ(w.text)
	} else {
		octets, ok = strict64([]byte(w.text))
	}
	if !ok {
		return w.raw, false
	}
	text, why := decodeCharset(w.set, octets)
	if why != "" || !utf8.ValidString(text) {
		return w.raw, false
	}
	return text, true
}

// appendQ appends the octets of the Q encoding; a bad "=XX" stays.
func appendQ(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

// strictQ decodes the Q encoding; ok is false when s is not in it.
func strictQ(s string) (octets []byte, ok bool) {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isVisible(c) ||
			c == '=' && (i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0) {
			return nil, false
		}
	}
	return appendQ(nil, s), true
}

// encodedWord decodes the encoded-word s begins with and returns how many
// octets it takes, or 0 when programs would not agree on it.
func encodedWord(s string) (text string, n int) {
	end := -1
	w, ok := cutWord(s, 0, true, &end)
	if !ok {
		return "", 0
	}
	if text, ok = w.strict(); !ok {
		return "", 0
	}
	return text, len(w.raw)
}
