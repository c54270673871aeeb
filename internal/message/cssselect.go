package message

import (
	"strings"
)

// selector is a complex selector, from the element that it styles outwards.
type selector struct {
	parts  []compound
	unsure bool // some of it is not judged: it may style less than this says
	weight int  // specificity
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
	op          byte // 0: it stands there; '=', '^', '$', '*', '~', '|'
}

// maxCompounds is how many parts of a selector are judged.
const maxCompounds = 6

// key is what an element must have for the selector to be tried.
func (s selector) key() string {
	last := s.parts[0]
	switch {
	case last.id != "":
		return "#" + last.id
	case len(last.classes) > 0:
		return "." + last.classes[0]
	case last.tag != "":
		return last.tag
	}
	return "*"
}

// parseSelector reads a selector; ok is false when it styles no element of the
// page as it stands, such as what the pointer is over.
func parseSelector(s string) (out selector, ok bool) {
	s = lowerASCII(s)
	current := compound{}
	full := false // current holds something
	end := func(child bool) {
		if full {
			current.child = false
			out.parts = append([]compound{current}, out.parts...)
			current, full = compound{}, false
		}
		if len(out.parts) > 0 && child {
			out.parts[0].child = true // seen from the next one: its parent is this
		}
	}
	for s != "" {
		switch c := s[0]; c {
		case ' ', '\t', '\r', '\n', '\f', '>':
			blank := strings.TrimLeft(s, " \t\r\n\f")
			child := strings.HasPrefix(blank, ">")
			s = strings.TrimLeft(strings.TrimPrefix(blank, ">"), " \t\r\n\f")
			if s != "" && s[0] != '+' && s[0] != '~' {
				end(child)
			}
			continue
		case '+', '~': // what stands before is no element around
			out.unsure = true
			out.parts, current, full = nil, compound{}, false
			s = strings.TrimLeft(s[1:], " \t\r\n\f")
			continue
		}
		rest, sound := out.simple(&current, s)
		if !sound || len(rest) >= len(s) {
			return out, false
		}
		s, full = rest, true
	}
	end(false)
	if len(out.parts) > maxCompounds {
		out.parts, out.unsure = out.parts[:maxCompounds], true
	}
	return out, len(out.parts) > 0
}

// simple reads the simple selector that s begins with into c.
func (out *selector) simple(c *compound, s string) (rest string, ok bool) {
	switch s[0] {
	case '*':
		return s[1:], true
	case '.', '#':
		name, rest := cutIdent(s[1:])
		if s[0] == '#' {
			c.id = name
			out.weight += 1 << 16
		} else {
			c.classes = append(c.classes, name)
			out.weight += 1 << 8
		}
		return rest, name != ""
	case '[':
		test, rest := cutOutside(s[1:], ']')
		c.attrs = append(c.attrs, parseAttrTest(test))
		out.weight += 1 << 8
		return rest, true
	case ':':
		name, rest := cutIdent(strings.TrimPrefix(s[1:], ":"))
		if strings.HasPrefix(rest, "(") {
			_, rest = cutOutside(rest[1:], ')')
			out.unsure = true
		}
		switch {
		case neverMatch[name] || strings.HasPrefix(s, "::"):
			return rest, false
		case name != "link" && name != "any-link" && name != "root" && name != "visited":
			out.unsure = true
		}
		out.weight += 1 << 8
		return rest, name != ""
	}
	name, rest := cutIdent(s)
	c.tag = name
	out.weight++
	return rest, name != ""
}

// neverMatch are pseudo-classes of what a reader does, and old pseudo-elements.
var neverMatch = set("hover active focus focus-within focus-visible target checked before after first-line " +
	"first-letter placeholder-shown disabled fullscreen")

// cutIdent cuts a name, with its escapes undone.
func cutIdent(s string) (name, rest string) {
	i := 0
	for i < len(s) {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i += 2
		case isLetter(c) || c >= '0' && c <= '9' || c == '-' || c == '_' || c >= 0x80:
			i++
		default:
			return unescapeCSS(s[:i]), s[i:]
		}
	}
	return unescapeCSS(s), ""
}

func parseAttrTest(s string) attrTest {
	i := strings.IndexByte(s, '=')
	if i < 0 {
		return attrTest{name: strings.TrimSpace(s)}
	}
	t := attrTest{op: '=', name: strings.TrimSpace(s[:i])}
	if n := len(t.name); n > 0 && strings.IndexByte("^$*~|", t.name[n-1]) >= 0 {
		t.op, t.name = t.name[n-1], strings.TrimSpace(t.name[:n-1])
	}
	v := strings.TrimSpace(s[i+1:])
	if n := len(v); n > 1 && (v[0] == '"' || v[0] == '\'') {
		if end := strings.IndexByte(v[1:], v[0]); end >= 0 {
			v = v[1 : end+1]
		}
	}
	t.value = unescapeCSS(v)
	return t
}

// holds reports whether the attributes of an element meet the condition.
func (t attrTest) holds(attrs map[string]string) bool {
	v, ok := attrs[t.name]
	v = lowerASCII(v)
	switch t.op {
	case 0:
		return ok
	case '=':
		return ok && v == t.value
	case '^':
		return t.value != "" && strings.HasPrefix(v, t.value)
	case '$':
		return t.value != "" && strings.HasSuffix(v, t.value)
	case '*':
		return t.value != "" && strings.Contains(v, t.value)
	case '|':
		return v == t.value || strings.HasPrefix(v, t.value+"-")
	}
	for _, w := range strings.Fields(v) {
		if w == t.value {
			return true
		}
	}
	return false
}

// tagged is an element as selectors see it.
type tagged struct {
	tag, id string
	classes []string
	attrs   map[string]string
}

func (c compound) fits(e *tagged) bool {
	if c.tag != "" && c.tag != e.tag || c.id != "" && c.id != e.id {
		return false
	}
	for _, want := range c.classes {
		found := false
		for _, has := range e.classes {
			found = found || has == want
		}
		if !found {
			return false
		}
	}
	for _, a := range c.attrs {
		if !a.holds(e.attrs) {
			return false
		}
	}
	return true
}

// matches reports whether s styles e, which stands in around, the outermost
// first. steps counts what it looked at.
func (s selector) matches(e *tagged, around []*tagged, steps *int) bool {
	*steps++
	if !s.parts[0].fits(e) {
		return false
	}
	return s.around(1, around, steps)
}

// around reports whether the parts from n on stand around an element, whose
// ancestors are given.
func (s selector) around(n int, ancestors []*tagged, steps *int) bool {
	if n == len(s.parts) {
		return true
	}
	for at := len(ancestors) - 1; at >= 0; at-- {
		if *steps++; *steps > maxSteps {
			return true // rather too much than too little: the budget ends this
		}
		if s.parts[n].fits(ancestors[at]) && s.around(n+1, ancestors[:at], steps) {
			return true
		}
		if s.parts[n].child {
			return false
		}
	}
	return false
}

// maxSteps is how many steps the matching of one selector may take.
const maxSteps = 10_000

// matching returns the rules that style e. enough is false when matching has
// taken more steps than the page may cost.
func (c *cascade) matching(e *tagged, around []*tagged) (out []*cssRule, enough bool) {
	keys := []string{"*", e.tag}
	if e.id != "" {
		keys = append(keys, "#"+e.id)
	}
	for _, class := range e.classes {
		keys = append(keys, "."+class)
	}
	c.work -= len(keys)
	for _, key := range keys {
		for _, r := range c.rules[key] {
			steps := 0
			if r.selector.matches(e, around, &steps) {
				out = append(out, r)
				steps += 4 * len(r.decls)
			}
			if c.work -= steps; c.work < 0 {
				return nil, false
			}
		}
	}
	return out, true
}
