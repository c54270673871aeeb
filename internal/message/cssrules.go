package message

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// declaration is one property of a style, in lower case.
type declaration struct {
	name, value string
	important   bool
}

// parseDeclarations reads a style: escapes are undone, and a semicolon in quotes or
// parentheses ends nothing. Values are not judged here: a browser leaves out one that it
// does not understand, and this does not.
func parseDeclarations(css string) []declaration {
	css = withoutCSSComments(css)
	var out []declaration
	for css != "" {
		var one string
		one, css = cutOutside(css, ';')
		name, value, ok := strings.Cut(one, ":")
		if !ok {
			continue
		}
		d := declaration{name: strings.TrimSpace(lowerASCII(unescapeCSS(name)))}
		value = strings.Join(strings.Fields(lowerASCII(unescapeCSS(value))), " ")
		if before, after, ok := strings.Cut(value, "!"); ok && strings.TrimSpace(after) == "important" {
			value, d.important = strings.TrimSpace(before), true
		}
		if d.value = value; d.name != "" && d.value != "" {
			out = append(out, d)
		}
	}
	return out
}

// withoutCSSComments removes comments; one without an end goes to the end.
func withoutCSSComments(s string) string {
	if !strings.Contains(s, "/*") {
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "/*")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteByte(' ')
		if _, s, ok = strings.Cut(rest, "*/"); !ok {
			return b.String()
		}
	}
}

// cutOutside cuts s at the first sep outside of quotes and parentheses.
func cutOutside(s string, sep byte) (before, after string) {
	quote, depth := byte(0), 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote || c == '\n' {
				quote = 0
			}
		case c == sep && depth == 0:
			return s[:i], s[i+1:]
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth = max(depth-1, 0)
		}
	}
	return s, ""
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
		for end < len(s) && end < i+7 && unhex(s[end]) >= 0 {
			end++
		}
		if end == i+1 {
			i++
			b.WriteByte(s[i])
			continue
		}
		n, err := strconv.ParseUint(s[i+1:end], 16, 32)
		if r := rune(n); err == nil && utf8.ValidRune(r) {
			b.WriteRune(r)
		}
		if end < len(s) && isBlank(s[end]) {
			end++
		}
		i = end - 1
	}
	return b.String()
}

// cssRule is one rule for one selector.
type cssRule struct {
	selector selector
	decls    []declaration
	order    int
}

// cascade holds the rules of all style sheets of a page, by what the element
// that they style must have.
type cascade struct {
	rules map[string][]*cssRule
	count int
	work  int // steps of matching that are left
}

// maxNest is how many levels of @media and @supports are read.
const maxNest = 8

// add reads a style sheet.
func (c *cascade) add(css string) {
	css = strings.NewReplacer("<!--", " ", "-->", " ", "<![CDATA[", " ", "]]>", " ").Replace(css)
	c.block(withoutCSSComments(css), 0)
}

// block reads rules up to the end of css.
func (c *cascade) block(css string, depth int) {
	for css != "" {
		css = strings.TrimLeft(css, " \t\r\n\f};")
		if strings.HasPrefix(css, "@") {
			if end := strings.IndexAny(css, ";{"); end >= 0 && css[end] == ';' {
				css = css[end+1:] // @import, @charset
				continue
			}
		}
		head, rest := cutOutside(css, '{')
		body, after := cutBlock(rest)
		css = after
		head = strings.TrimSpace(head)
		switch {
		case !strings.HasPrefix(head, "@"):
			c.rule(head, body)
		case !applies(lowerASCII(head)):
		case depth == maxNest: // what it hides would be shown
			c.work = -1
		default:
			c.block(body, depth+1)
		}
	}
}

// cutBlock cuts s at the brace that closes a block which is open.
func cutBlock(s string) (body, after string) {
	quote, depth := byte(0), 1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote || c == '\n' {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// screenWidth is that of the window in which the agent's mail is read, in pixels.
const screenWidth = 1024

// applies reports whether the rules inside an at-rule style a page on a light
// screen of that width.
func applies(head string) bool {
	name, query, _ := strings.Cut(head, " ")
	name, paren, _ := strings.Cut(name, "(")
	switch query += paren; name {
	case "@supports", "@layer":
		return true
	case "@media":
	default:
		return false
	}
	for _, q := range strings.Split(query, ",") {
		if mediaMatches(q) {
			return true
		}
	}
	return false
}

func mediaMatches(q string) bool {
	if strings.Contains(q, "print") && !strings.Contains(q, "not print") || strings.Contains(q, "speech") ||
		strings.Contains(q, "dark") || strings.Contains(q, "not screen") || strings.Contains(q, "not all") {
		return false
	}
	for _, bound := range []struct {
		name string
		fits func(px float64) bool
	}{
		{"max-width", func(px float64) bool { return px >= screenWidth }},
		{"max-device-width", func(px float64) bool { return px >= screenWidth }},
		{"min-width", func(px float64) bool { return px <= screenWidth }},
		{"min-device-width", func(px float64) bool { return px <= screenWidth }},
	} {
		_, v, ok := strings.Cut(q, bound.name)
		v, _, _ = strings.Cut(strings.TrimLeft(v, " :"), ")")
		if px, sound := cssLength(strings.TrimSpace(v), normalSize); ok && (!sound || !bound.fits(px)) {
			return false
		}
	}
	return true
}

// rule adds a rule for each of its selectors.
func (c *cascade) rule(selectors, body string) {
	var decls []declaration
	for _, d := range parseDeclarations(body) {
		if seenProperties[d.name] {
			decls = append(decls, d)
		}
	}
	if len(decls) == 0 {
		return
	}
	if c.rules == nil {
		c.rules = map[string][]*cssRule{}
	}
	hiding := slices.DeleteFunc(slices.Clone(decls), func(d declaration) bool { return !hides(d) })
	for selectors != "" {
		var one string
		one, selectors = cutOutside(selectors, ',')
		s, ok := parseSelector(strings.TrimSpace(one))
		if !ok {
			continue
		}
		c.count++
		r := &cssRule{selector: s, decls: decls, order: c.count}
		if s.unsure { // then only what hides by itself counts
			r.decls = hiding
		}
		c.rules[s.key()] = append(c.rules[s.key()], r)
	}
}
