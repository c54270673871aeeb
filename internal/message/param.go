package message

import (
	"strconv"
	"strings"
)

// paramList is a field value that has parameters (RFC 2045, section 5.1; RFC
// 2183; RFC 2231), with every reading that mail programs are known to make of
// each. It is read in one pass, whatever the value holds.
type paramList struct {
	value     string // what stands before the parameters, in lower case
	malformed bool   // the grammar has no such value
	names     []string
	readings  map[string][]string
}

// values returns the distinct readings of a parameter: first what the most
// lenient common program makes of it. Whoever needs one value must say what
// becomes of the others.
func (p *paramList) values(name string) []string {
	if p == nil {
		return nil
	}
	return p.readings[name]
}

// first returns the most lenient reading of a parameter, or "".
func (p *paramList) first(name string) string {
	if v := p.values(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// unclear returns the name of a parameter that is read in more than one way, or "".
func (p *paramList) unclear() string {
	for _, name := range p.names {
		if len(p.readings[name]) > 1 {
			return name
		}
	}
	return ""
}

// size returns how many octets the readings take.
func (p *paramList) size() int {
	n := 0
	for name, list := range p.readings {
		for _, v := range list {
			n += len(name) + len(v)
		}
	}
	return n
}

// readingSet keeps distinct readings in their order.
type readingSet struct {
	list []string
	seen map[string]bool
}

func (r *readingSet) add(readings ...string) {
	for _, s := range readings {
		if s == "" || r.seen[s] {
			continue
		}
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		r.seen[s] = true
		r.list = append(r.list, s)
	}
}

// section is one attribute with its value as it stands in the field. The
// parameter is continued over several when number is not negative.
type section struct {
	number   int
	encoded  bool // name* or name*0*: octets as %XX (RFC 2231, section 4)
	readings []string
}

// paramScanner walks over a field value.
type paramScanner struct {
	s         string
	at        int
	semicolon int // the first one at or after at, len(s) if none
	ahead     int // octets that readings may still take beyond what is consumed
	openQuote bool
	openParen bool // a quote or comment was found to have no end; no other has
	list      *paramList
	order     []string
	sections  map[string][]section
}

// parseParams reads a field value with its parameters.
func parseParams(s string) *paramList {
	p := &paramScanner{s: s, semicolon: -1, ahead: 2 * len(s), list: &paramList{},
		sections: map[string][]section{}}
	p.head()
	for p.skip(); p.at < len(s); p.skip() {
		p.parameter()
	}
	p.list.readings = make(map[string][]string, len(p.order))
	for _, name := range p.order {
		var r readingSet
		p.assemble(name, &r)
		p.list.names = append(p.list.names, name)
		p.list.readings[name] = r.list
	}
	return p.list
}

// next returns the end of the stretch without a semicolon that at stands in.
func (p *paramScanner) next() int {
	if p.semicolon < p.at {
		p.semicolon = len(p.s)
		if i := strings.IndexByte(p.s[p.at:], ';'); i >= 0 {
			p.semicolon = p.at + i
		}
	}
	return p.semicolon
}

// head reads what stands before the parameters. Behind its first word there
// may be a comment, or a parameter whose semicolon was forgotten.
func (p *paramScanner) head() {
	p.blanks()
	end := p.next()
	word := p.s[p.at:end]
	if i := strings.IndexAny(word, " \t(\""); i >= 0 {
		word = word[:i]
	}
	p.list.value = strings.ToLower(word)
	p.list.malformed = strings.TrimRight(p.s[p.at:end], " \t") != word
	p.at += len(word)
	if !strings.Contains(p.s[p.at:end], "=") {
		p.at = end
	}
}

func (p *paramScanner) blanks() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t') {
		p.at++
	}
}

// skip passes blanks, comments and semicolons before an attribute.
func (p *paramScanner) skip() {
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case c == ' ' || c == '\t' || c == ';':
			p.at++
		case c == '(' && !p.openParen:
			// Only readers of RFC 822 skip comments.
			p.list.malformed = true
			n := commentLen(p.s[p.at:])
			p.openParen = n == 0
			p.at += n
		default:
			return
		}
	}
}

// commentLen returns the length of the comment s begins with, 0 if it has no end.
func commentLen(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// withoutComments returns s without the comments in it.
func withoutComments(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '(')
		if i < 0 {
			return strings.TrimSpace(b.String() + s)
		}
		n := commentLen(s[i:])
		if n == 0 {
			return strings.TrimSpace(b.String() + s)
		}
		b.WriteString(s[:i])
		s = s[i+n:]
	}
}

// parameter reads one attribute and its value.
func (p *paramScanner) parameter() {
	end := p.next()
	key, _, ok := strings.Cut(p.s[p.at:end], "=")
	if !ok {
		p.list.malformed = true // words that are no parameter
		p.at = end
		return
	}
	p.at += len(key) + 1
	key = strings.Trim(withoutComments(key), " \t\"")
	if i := strings.LastIndexAny(key, " \t"); i >= 0 {
		key = key[i+1:]
		p.list.malformed = true
	}
	name, s := p.attribute(strings.ToLower(key))
	if !isToken(name) {
		p.list.malformed = true
	}
	p.blanks()
	if p.at < len(p.s) && p.s[p.at] == '"' && !p.openQuote {
		if s.readings = p.quoted(); s.readings != nil && s.encoded {
			p.list.malformed = true // RFC 2231, section 7, has no quotes here
		}
	}
	if s.readings == nil {
		s.readings = p.unquoted(name, s.encoded)
	}
	if p.sections[name] == nil {
		p.order = append(p.order, name)
	}
	p.sections[name] = append(p.sections[name], s)
}

// attribute takes the marks of RFC 2231 off a name: "*" for octets as %XX, and
// the number of a section.
func (p *paramScanner) attribute(key string) (name string, s section) {
	s.number = -1
	name, mark, ok := strings.Cut(key, "*")
	if !ok {
		return name, s
	}
	number, encoded := strings.CutSuffix(mark, "*")
	if mark == "" {
		s.encoded = true
		return name, s
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || number != strconv.FormatUint(n, 10) {
		p.list.malformed = true
	}
	if err == nil {
		s.number, s.encoded = int(n), encoded
	}
	return name, s
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if !isVisible(c) || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// quoted reads a quoted string, nil if it has no end. With a backslash in it,
// some programs undo every pair, some only those of quote and backslash, and
// some know no pairs.
func (p *paramScanner) quoted() []string {
	var every, some strings.Builder
	s := p.s[p.at+1:]
	i := 0
	for ; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] != '"' && s[i] != '\\' {
				some.WriteByte('\\')
			}
		}
		every.WriteByte(s[i])
		some.WriteByte(s[i])
	}
	if i >= len(s) {
		p.openQuote = true
		return nil
	}
	var r readingSet
	r.add(some.String(), every.String())
	if raw, _, _ := strings.Cut(s[:i+1], `"`); strings.Contains(s[:i], `\`) {
		r.add(raw)
	}
	p.at += i + 2
	p.blanks()
	if tail := p.s[p.at:p.next()]; tail != "" {
		p.list.malformed = true
		if p.afford(len(tail)) {
			r.add(some.String()+strings.TrimRight(tail, " \t"), withoutComments(some.String()+tail))
		}
	}
	if r.list == nil {
		return []string{""}
	}
	return r.list
}

// afford reports whether a reading may take n octets beyond what is consumed.
func (p *paramScanner) afford(n int) bool {
	p.ahead -= n
	return p.ahead >= 0
}

// unquoted reads a value without quotes, or with a quote that has no end. Some
// programs take it up to the semicolon, some up to the first blank or comment.
func (p *paramScanner) unquoted(name string, encoded bool) []string {
	end := p.next()
	rest := p.s[p.at:end]
	token := rest
	if i := strings.IndexAny(rest, " \t(\""); i >= 0 {
		token = rest[:i]
	}
	whole := strings.TrimRight(rest, " \t")
	if !isToken(whole) || strings.ContainsAny(whole, "'*") && !encoded {
		p.list.malformed = true // the last two have a meaning in RFC 2231 only
	}
	var r readingSet
	if whole == token || p.afford(len(rest)) {
		if bare := withoutComments(whole); bare != whole && isToken(bare) {
			r.add(bare)
		}
		r.add(strings.TrimPrefix(whole, `"`), strings.ReplaceAll(whole, `"`, ""), whole, withoutComments(whole))
		if n := len(whole); n > 2 && whole[0] == '\'' && whole[n-1] == '\'' {
			r.add(whole[1 : n-1])
		}
	}
	if r.add(token); strings.HasPrefix(rest, `"`) && p.afford(len(p.s)-p.at) {
		r.add(strings.TrimRight(p.s[p.at+1:], " \t"))
	}
	if i := strings.IndexAny(token, notAttribute); i > 0 && !encoded && isFileParameter(name) {
		r.add(token[:i])
	}
	if p.at += len(token); !strings.Contains(p.s[p.at:end], "=") {
		p.at = end // no parameter follows whose semicolon was forgotten
	}
	if r.list == nil {
		return []string{""}
	}
	return r.list
}
