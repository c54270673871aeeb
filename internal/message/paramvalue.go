package message

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// assemble adds the readings of all sections of one name: those of RFC 2231,
// which most programs prefer, and then the plain ones.
func (p *paramScanner) assemble(name string, r *readingSet) {
	var plain, numbered []section
	extended := 0
	for _, s := range p.sections[name] {
		switch {
		case s.number >= 0:
			numbered = append(numbered, s)
		case s.encoded:
			extended++
			p.join([]section{s}, r)
		default:
			plain = append(plain, s)
		}
	}
	if len(numbered) > 0 {
		p.continued(numbered, r)
	}
	for _, s := range plain {
		for _, v := range s.readings {
			p.plain(name, v, r)
		}
	}
	if len(plain) > 1 && len(r.list) > 1 || extended > 1 {
		p.list.malformed = true // RFC 2045, section 5.1: each name once
	}
}

// notAttribute are the characters at which strict programs end an unquoted value.
const notAttribute = "()<>@,;:\\\"/[]?=*' \t"

func isFileParameter(name string) bool { return name == "filename" || name == "name" }

// plain adds the readings of a value that is not written as RFC 2231 has it.
func (p *paramScanner) plain(name, v string, r *readingSet) {
	switch {
	case !isFileParameter(name):
		r.add(v) // in names of files everybody decodes encoded-words
	case !utf8.ValidString(v):
		r.add(windows1252([]byte(v)))
	}
	r.add(readWords(v)...)
	if set, rest, ok := strings.Cut(v, "'"); ok && isToken(set) && strings.Contains(rest, "'") {
		// Some programs overlook that the asterisk is missing.
		p.joinReading([]section{{number: -1, encoded: true, readings: []string{v}}}, 0, true, r)
	}
}

// continued adds the readings of a value in numbered sections. Strict programs
// stop at the first that is missing; others join what there is, by number or
// as it comes.
func (p *paramScanner) continued(all []section, r *readingSet) {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b section) int { return a.number - b.number })
	whole := make([]section, 0, len(sorted))
	for _, s := range sorted {
		if s.number == len(whole) {
			whole = append(whole, s)
		}
	}
	byNumber := func(a, b section) bool { return a.number == b.number }
	inOrder := slices.EqualFunc(all, sorted, byNumber)
	p.join(sorted, r)
	if len(whole) < len(sorted) {
		p.list.malformed = true
		p.join(whole, r)
	}
	if !inOrder {
		p.join(all, r)
	}
}

// join adds the readings of sections in this order. The octets are joined
// before their charset is applied, since a letter may be cut between sections.
func (p *paramScanner) join(sections []section, r *readingSet) {
	if len(sections) == 0 {
		return
	}
	most, mixed := 1, false
	for _, s := range sections {
		most = max(most, len(s.readings))
		mixed = mixed || s.encoded != sections[0].encoded
	}
	for k := range most {
		p.joinReading(sections, k, false, r)
		if mixed {
			p.joinReading(sections, k, true, r) // programs that undo %XX everywhere
		}
	}
}

func (p *paramScanner) joinReading(sections []section, k int, all bool, r *readingSet) {
	var octets []byte
	set, named, encoded := "", false, false
	for i, s := range sections {
		v := s.readings[min(k, len(s.readings)-1)]
		if i == 0 && s.encoded {
			before, rest, ok := strings.Cut(v, "'")
			_, text, both := strings.Cut(rest, "'")
			if named = ok && both; named {
				set, v = before, text
			} else {
				p.list.malformed = true
			}
		}
		if encoded = encoded || s.encoded; !s.encoded && !all {
			octets = append(octets, v...)
			continue
		}
		var ok bool
		if octets, ok = unescape(octets, v); s.encoded && (!ok || strings.ContainsAny(v, notAttribute)) {
			p.list.malformed = true
		}
	}
	if !encoded {
		r.add(readWords(string(octets))...)
	} else {
		for _, text := range octetReadings(set, octets) {
			r.add(text)
			r.add(readWords(text)...)
		}
	}
}

// unescape appends s with its %XX undone. What is no such escape stays, and ok
// is false.
func unescape(out []byte, s string) (_ []byte, ok bool) {
	ok = true
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		out, ok = append(out, '%'), false
	}
	return out, ok
}

// unhex returns the value of a hexadecimal digit of either case, or -1.
func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
