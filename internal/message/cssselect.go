package message

import (
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2/css"
)

// selector is a complex selector, from the element that it styles outwards.
type selector struct {
	parts     []compound
	unsure    bool // some of it is not judged: it may style less than this says
	generated bool // it styles what is added before or behind the text of an element
	never     bool // it styles nothing of the page as it stands
	weight    weight
}

// weight is a specificity (Selectors 4, section 17): ids, conditions, names of elements.
type weight [3]int

// value orders weights as browsers do, which count up to 255 of each.
func (w weight) value() int {
	return min(w[0], 255)<<16 | min(w[1], 255)<<8 | min(w[2], 255)
}

// compound is what one element must have.
type compound struct {
	child   bool // the next part is the parent, not any element around
	tag     string
	id      string
	classes []string
	attrs   []attrTest
}

// attrTest is a condition on an attribute (Selectors 4, section 6).
type attrTest struct {
	name, value string
	op          string // "": it stands there; "=", "^=", "$=", "*=", "~=", "|="
}

// maxCompounds is how many parts of a selector are judged.
const maxCompounds = 6

// key is what an element must have for the selector to be tried.
func (s selector) key() string {
	last := s.parts[0]
	switch {
	case last.id != "":
		return "#" + lowerASCII(last.id)
	case len(last.classes) > 0:
		return "." + lowerASCII(last.classes[0])
	case last.tag != "":
		return last.tag
	}
	return "*"
}

// parseSelectors reads a list of selectors. sure is false when programs may take the
// list for invalid, and then leave out the whole rule; there are none when all do.
func parseSelectors(tokens []cssToken) (list []selector, sure bool) {
	sure = true
	for {
		end := scan(tokens, css.CommaToken)
		p := selectorParser{tokens: tokens[:end], valid: true}
		if p.read(); p.wrong {
			return nil, true
		}
		sure = sure && p.valid
		if !p.out.never {
			list = append(list, p.out)
		}
		if end == len(tokens) {
			return list, sure
		}
		tokens = tokens[end+1:]
	}
}

// selectorParser reads one complex selector.
type selectorParser struct {
	tokens  []cssToken
	out     selector
	current compound
	full    bool // current holds something
	element bool // what was read last is a pseudo-element
	joined  bool // what was read last joins compounds
	valid   bool // every program knows all of it
	wrong   bool // no program does
}

// read reads up to the end of the tokens.
func (p *selectorParser) read() {
	p.tokens = skipBlank(p.tokens)
	for len(p.tokens) > 0 && !p.wrong {
		t := p.tokens[0]
		switch {
		case t.kind == css.CommentToken:
			p.tokens = p.tokens[1:]
		case t.kind == css.WhitespaceToken, t.isDelim(">"), t.isDelim("+"), t.isDelim("~"):
			p.combinator()
		default:
			p.simple(t)
		}
	}
	p.end()
	if len(p.out.parts) == 0 {
		p.wrong = true
		return
	}
	slices.Reverse(p.out.parts)
	if len(p.out.parts) > maxCompounds {
		p.out.parts, p.out.unsure = p.out.parts[:maxCompounds], true
	}
}

// end ends a compound.
func (p *selectorParser) end() {
	if p.full {
		p.out.parts = append(p.out.parts, p.current)
	}
	p.current, p.full = compound{}, false
}

// combinator reads what stands between compounds.
func (p *selectorParser) combinator() {
	p.tokens = skipBlank(p.tokens)
	if len(p.tokens) == 0 {
		return
	}
	t := p.tokens[0]
	combines := t.isDelim(">") || t.isDelim("+") || t.isDelim("~")
	if combines && (!p.full && len(p.out.parts) == 0 || p.joined) { // it joins nothing, outside of rules in rules
		p.unknown()
	}
	p.joined = combines
	switch {
	case t.isDelim(">"):
		p.end()
		p.current.child = len(p.out.parts) > 0
	case t.isDelim("+"), t.isDelim("~"): // what stands before is no element around
		p.out.unsure = true
		p.out.parts, p.current, p.full = nil, compound{}, false
	default:
		p.end()
		return
	}
	p.tokens = skipBlank(p.tokens[1:])
	p.wrong = len(p.tokens) == 0
}

// simple reads one simple selector.
func (p *selectorParser) simple(t cssToken) {
	all, rest := p.tokens, p.tokens[1:]
	next := cssToken{}
	if len(rest) > 0 {
		next = rest[0]
	}
	name := unescapeCSS(t.text)
	was := p.full
	p.tokens, p.full, p.joined = rest, true, false
	switch {
	case t.isIdent() && was, p.element: // a name behind a comment, a condition on what is no element
		p.unknown()
	case t.isIdent():
		p.current.tag = lowerASCII(name)
		p.out.weight[2]++
	case t.isDelim("*") && !was:
	case t.kind == css.HashToken && startsName(name[1:]):
		p.current.id = name[1:]
		p.out.weight[0]++
	case t.isDelim(".") && next.isIdent():
		p.current.classes = append(p.current.classes, unescapeCSS(next.text))
		p.out.weight[1]++
		p.tokens = rest[1:]
	case t.kind == css.LeftBracketToken:
		var inside []cssToken
		inside, p.tokens = cutBlock(all)
		p.attribute(inside)
	case t.kind == css.ColonToken:
		p.pseudo(rest)
	case t.isDelim("&"), t.isDelim("|"), t.kind == css.ColumnToken, t.kind == css.UnicodeRangeToken,
		t.kind == css.DashMatchToken, t.kind == css.CustomPropertyValueToken:
		p.unknown()
	default:
		p.wrong = true
	}
}

// startsName reports whether s begins as a name does: with a letter, or one behind a dash.
func startsName(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && (isLetter(s[0]) || s[0] == '_' || s[0] == '-' || s[0] >= 0x80)
}

// unknown notes that what some program may understand is not judged.
func (p *selectorParser) unknown() { p.out.unsure, p.valid = true, false }

// attribute reads the inside of brackets.
func (p *selectorParser) attribute(tokens []cssToken) {
	p.out.weight[1]++
	var words []cssToken
	for _, t := range tokens {
		if !t.isBlank() {
			words = append(words, t)
		}
	}
	if len(words) == 0 || !words[0].isIdent() {
		p.unknown()
		return
	}
	test := attrTest{name: lowerASCII(unescapeCSS(words[0].text))}
	switch {
	case len(words) == 1:
	case len(words) == 3 && words[2].kind == css.StringToken:
		test.op, test.value = words[1].text, unescapeCSS(cutQuotes(words[2].text))
	case len(words) == 3 && words[2].isIdent():
		test.op, test.value = words[1].text, unescapeCSS(words[2].text)
	default: // with a flag, for instance
		p.unknown()
	}
	if !attrOps[test.op] {
		test = attrTest{name: test.name}
		p.unknown()
	}
	p.current.attrs = append(p.current.attrs, test)
}

var attrOps = map[string]bool{"": true, "=": true, "^=": true, "$=": true, "*=": true, "~=": true, "|=": true}

func cutQuotes(s string) string {
	if len(s) > 1 && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s[1:]
}

// What pseudo-classes and pseudo-elements do here. A list of selectors with those that
// every program knows stays valid; any other may match any element, and may be invalid.
var (
	pointerClasses = set("hover active") // the pointer is elsewhere
	knownClasses   = set("visited focus target checked disabled enabled first-child last-child only-child " +
		"first-of-type last-of-type only-of-type empty first-line first-letter")
	firstParts     = set("first-line first-letter")
	generatedParts = set("before after")
	quietParts     = set("selection placeholder marker backdrop file-selector-button") // none is text that is read here
)

// pseudo reads what stands behind a colon.
func (p *selectorParser) pseudo(rest []cssToken) {
	double := len(rest) > 0 && rest[0].kind == css.ColonToken
	if double {
		rest = rest[1:]
	}
	if len(rest) == 0 || !rest[0].isIdent() && rest[0].kind != css.FunctionToken {
		p.wrong = true
		return
	}
	p.tokens = rest[1:]
	p.out.weight[1]++
	if rest[0].kind == css.FunctionToken { // what is inside is not judged
		_, p.tokens = cutBlock(rest)
		p.unknown()
		return
	}
	name := lowerASCII(unescapeCSS(rest[0].text))
	p.element = double || generatedParts[name] || firstParts[name]
	switch {
	case generatedParts[name]:
		p.out.generated = true
	case double && (quietParts[name] || strings.HasPrefix(name, "-webkit-")):
		p.out.never = true
	case double && firstParts[name], !double && knownClasses[name]:
		p.out.unsure = true
	case double:
		p.unknown()
	case pointerClasses[name]:
		p.out.never = true
	case name == "root", name == "link":
		p.current.attrs = append(p.current.attrs, attrTest{op: name})
	default:
		p.unknown()
	}
}

// tagged is an element as selectors see it.
type tagged struct {
	tag, id string
	classes []string
	exact   map[string]bool // the classes, as they are and in lower case
	loose   map[string]bool
	attrs   map[string]string
}

// holds reports whether the attributes of an element meet the condition, with capital
// letters for others where exact is false.
func (t attrTest) holds(e *tagged, exact bool) bool {
	v, ok := e.attrs[t.name]
	switch t.op {
	case "root":
		return e.tag == "html"
	case "link":
		_, ok = e.attrs["href"]
		return ok && (e.tag == "a" || e.tag == "area")
	}
	want := t.value
	if !exact {
		v, want = lowerASCII(v), lowerASCII(want)
	}
	switch t.op {
	case "":
		return ok
	case "=":
		return ok && v == want
	case "^=":
		return want != "" && strings.HasPrefix(v, want)
	case "$=":
		return want != "" && strings.HasSuffix(v, want)
	case "*=":
		return want != "" && strings.Contains(v, want)
	case "|=":
		return ok && (v == want || strings.HasPrefix(v, want+"-"))
	}
	for _, w := range htmlWords(v) {
		if w == want {
			return true
		}
	}
	return false
}

// htmlWords splits at the white space of HTML.
func htmlWords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n\f\r", r) })
}

func same(a, b string, exact bool) bool { return a == b || !exact && lowerASCII(a) == lowerASCII(b) }

// fits reports whether an element has what c asks for. steps counts what it looked at.
func (c compound) fits(e *tagged, exact bool, steps *int) bool {
	*steps++
	if c.tag != "" && c.tag != e.tag || c.id != "" && !same(c.id, e.id, exact) {
		return false
	}
	for _, want := range c.classes {
		if *steps++; exact && !e.exact[want] || !exact && !e.loose[lowerASCII(want)] {
			return false
		}
	}
	for _, a := range c.attrs {
		if *steps += 1 + len(e.attrs[a.name])/octetsOfAStep; !a.holds(e, exact) {
			return false
		}
	}
	return true
}

// matches reports whether s styles e, which stands in around, the outermost first. Old
// pages take capital letters for others: sure says whether the page matters not.
// steps counts what it looked at.
func (s selector) matches(e *tagged, around []*tagged, steps *int) (yes, sure bool) {
	if !s.parts[0].fits(e, false, steps) || !s.around(1, around, false, steps) {
		return false, true
	}
	return true, s.parts[0].fits(e, true, steps) && s.around(1, around, true, steps)
}

// around reports whether the parts from n on stand around an element, whose
// ancestors are given.
func (s selector) around(n int, ancestors []*tagged, exact bool, steps *int) bool {
	if n == len(s.parts) {
		return true
	}
	for at := len(ancestors) - 1; at >= 0; at-- {
		if *steps++; *steps > maxSteps {
			return !exact // it may, and that is not sure
		}
		if s.parts[n].fits(ancestors[at], exact, steps) && s.around(n+1, ancestors[:at], exact, steps) {
			return true
		}
		if s.parts[n].child {
			return false
		}
	}
	return false
}

// maxSteps is how many steps the matching of one selector may take, and octetsOfAStep how
// many octets of an attribute are compared in one.
const (
	maxSteps      = 10_000
	octetsOfAStep = 4
)

// matching calls use for the rules that style e. enough is false when matching has
// taken more steps than the page may cost.
func (c *cascade) matching(e *tagged, around []*tagged, use func(r *cssRule, sure bool)) (enough bool) {
	keys := []string{"*", e.tag}
	if e.id != "" {
		keys = append(keys, "#"+lowerASCII(e.id))
	}
	for _, class := range e.classes {
		keys = append(keys, "."+lowerASCII(class))
	}
	c.work -= len(keys)
	for _, key := range keys {
		for _, r := range c.rules[key] {
			steps := 0
			if yes, sure := r.selector.matches(e, around, &steps); yes {
				use(r, sure && !r.unsure)
				steps += 4 * len(r.decls)
			}
			if c.work -= steps; c.work < 0 {
				return false
			}
		}
	}
	return true
}

// unescapeCSS undoes the escapes of CSS Syntax, section 4.3.7.
func unescapeCSS(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		end := i + 1
		n := rune(0)
		for end < len(s) && end < i+7 && unhex(s[end]) >= 0 {
			n = n<<4 | rune(unhex(s[end]))
			end++
		}
		if end == i+1 {
			i++
			b.WriteByte(s[i])
			continue
		}
		if n == 0 || n > 0x10ffff || n >= 0xd800 && n < 0xe000 {
			n = 0xfffd
		}
		b.WriteRune(n)
		if end < len(s) && isBlank(s[end]) {
			end++
		}
		i = end - 1
	}
	return b.String()
}
