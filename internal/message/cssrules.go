package message

import (
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2/css"
)

// declaration is one property of a style. Its value has the form of cssValue.
type declaration struct {
	name, value string
	important   bool
	unsure      bool // some programs may not read it, or not as this
}

// parseDeclaration reads the tokens of one declaration (CSS Syntax, section 5.5.6).
func parseDeclaration(tokens []cssToken) (d declaration, ok bool) {
	tokens = skipBlank(tokens)
	if len(tokens) == 0 || !tokens[0].isIdent() {
		return d, false
	}
	d.name = lowerASCII(unescapeCSS(tokens[0].text))
	tokens = skipBlank(tokens[1:])
	if len(tokens) == 0 || tokens[0].kind != css.ColonToken || strings.HasPrefix(d.name, "--") {
		return d, false
	}
	d.value = writeValue(tokens[1:], d.name == "font" || d.name == "font-family")
	if at := strings.LastIndexByte(d.value, '!'); at >= 0 && strings.TrimSpace(d.value[at+1:]) == "important" {
		d.value, d.important = strings.TrimSpace(d.value[:at]), true
	}
	return d, d.value != ""
}

// parseDeclarations reads a style attribute.
func parseDeclarations(source string) []declaration {
	var c cascade
	return c.contents(cssTokens(source), nil, 0)
}

// cssRule is one rule for one selector.
type cssRule struct {
	selector selector
	decls    []declaration
	order    int
	unsure   bool // it may style less than this says
}

// cascade holds the rules of all style sheets of a page, by what the element
// that they style must have.
type cascade struct {
	rules  map[string][]*cssRule
	count  int
	octets int    // of the sheets
	work   int    // steps of matching that are left
	named  bool   // the sheet is for elements of some namespace
	cover  string // what in the sheets may put something over the text of the page
}

const (
	maxNest   = 8         // levels of rules in rules that are read
	maxSheets = 512 << 10 // octets of the sheets of a page that are read
)

// add reads a style sheet. It is unsure when some programs leave it out.
func (c *cascade) add(source string, unsure bool) {
	if c.octets += len(source); c.octets > maxSheets {
		c.work = -1
		return
	}
	c.named = false
	c.list(cssTokens(source), 0, unsure)
}

// list reads a list of rules.
func (c *cascade) list(tokens []cssToken, depth int, unsure bool) {
	for {
		tokens = skipBlank(tokens)
		switch {
		case len(tokens) == 0:
			return
		case tokens[0].kind == css.CDOToken || tokens[0].kind == css.CDCToken:
			tokens = tokens[1:]
			unsure = unsure || depth > 0 // they stand at the outermost level alone
		case tokens[0].kind == css.AtKeywordToken:
			tokens = c.atRule(tokens, nil, depth, unsure)
		default:
			open := scan(tokens, css.LeftBraceToken)
			if open == len(tokens) {
				return
			}
			body, after := cutBlock(tokens[open:])
			c.rule(tokens[:open], body, depth, unsure, false)
			tokens = after
		}
	}
}

// ruleless are at-rules that hold no rules for elements. Keyframes do something where
// an animation is set, which is not judged.
var ruleless = set("@keyframes @-webkit-keyframes @-moz-keyframes @-o-keyframes @page @property @counter-style " +
	"@viewport @-ms-viewport @-o-viewport @font-feature-values @font-palette-values @charset @namespace")

// atRule reads an at-rule, which may stand in a rule for inside.
func (c *cascade) atRule(tokens []cssToken, inside []selector, depth int, unsure bool) (after []cssToken) {
	name := lowerASCII(unescapeCSS(tokens[0].text))
	tokens = tokens[1:]
	end := scan(tokens, css.LeftBraceToken, css.SemicolonToken)
	head := tokens[:end]
	if end == len(tokens) || tokens[end].kind == css.SemicolonToken {
		if name == "@namespace" {
			c.named = true
		}
		if name == "@import" && !onlyFonts(importTarget(head)) {
			c.covers("a style sheet elsewhere")
		}
		return tokens[min(end+1, len(tokens)):]
	}
	body, after := cutBlock(tokens[end:])
	switch {
	case ruleless[name]:
		return after
	case name == "@font-face":
		if !plainFont(body) {
			c.covers("a font of the page")
		}
		return after
	case name == "@media":
		matches, sure := mediaMatches(cssValue(head))
		if !matches {
			return after
		}
		unsure = unsure || !sure
	default: // what asks for a feature, orders layers, or is new
		unsure = true
	}
	switch {
	case depth == maxNest: // what it hides would be shown
		c.work = -1
	case inside != nil:
		c.addRules(inside, c.contents(body, inside, depth+1), true)
	default:
		c.list(body, depth+1, unsure)
	}
	return after
}

// fontDescriptors are those of @font-face that change no letter.
var fontDescriptors = set("font-family font-style font-weight font-display font-stretch src unicode-range")

// plainFont reports whether a font of a page comes from elsewhere: such a one is not fetched.
func plainFont(body []cssToken) bool {
	var c cascade
	for _, d := range c.contents(body, nil, maxNest) {
		symbols := d.name == "src" && slices.ContainsFunc(body, func(t cssToken) bool {
			return t.kind != css.URLToken && hasSymbols(lowerASCII(fontName(cutQuotes(t.text))))
		})
		if !fontDescriptors[d.name] && propertyName(d.name) != "" || symbols || strings.Contains(d.value, "data") {
			return false
		}
	}
	return true
}

// covers notes what may put something over the text.
func (c *cascade) covers(why string) {
	if c.cover == "" {
		c.cover = why
	}
}

// rule reads a rule with its block.
func (c *cascade) rule(head, body []cssToken, depth int, unsure, nested bool) {
	selectors, sure := parseSelectors(head)
	if nested {
		for i := range selectors {
			selectors[i].parts = selectors[i].parts[:1] // what is around depends on the rule around
		}
	}
	if len(selectors) == 0 {
		return
	}
	c.addRules(selectors, c.contents(body, selectors, depth), unsure || !sure || nested)
}

// contents reads the declarations of a block, and the rules in it, which style what
// its selectors name, or what is inside of that.
func (c *cascade) contents(tokens []cssToken, selectors []selector, depth int) (decls []declaration) {
	unsure := false
	for {
		tokens = skipBlank(tokens)
		if len(tokens) == 0 {
			return decls
		}
		if tokens[0].kind == css.AtKeywordToken {
			if selectors == nil { // a style attribute has none
				selectors = []selector{}
			}
			tokens, unsure = c.atRule(tokens, selectors, depth, true), true
			continue
		}
		end := scan(tokens, css.SemicolonToken, css.LeftBraceToken)
		if end < len(tokens) && tokens[end].kind == css.LeftBraceToken {
			body, after := cutBlock(tokens[end:])
			if depth >= maxNest {
				c.work = -1
			} else if selectors != nil {
				c.rule(tokens[:end], body, depth+1, true, true)
			}
			// Programs from before rules in rules read on behind the next semicolon.
			tokens, unsure = after, true
			continue
		}
		if d, ok := parseDeclaration(tokens[:end]); ok {
			d.unsure = unsure
			decls = append(decls, d)
		}
		tokens = tokens[min(end+1, len(tokens)):]
	}
}

// addRules adds a rule for each of its selectors.
func (c *cascade) addRules(selectors []selector, decls []declaration, unsure bool) {
	decls = slices.DeleteFunc(decls, func(d declaration) bool { return isPlain(d) })
	if len(decls) == 0 {
		return
	}
	if c.rules == nil {
		c.rules = map[string][]*cssRule{}
	}
	for _, s := range selectors {
		if s.generated {
			c.judgeGenerated(decls)
			continue
		}
		c.count++
		c.rules[s.key()] = append(c.rules[s.key()], &cssRule{s, decls, c.count, unsure || s.unsure || c.named})
	}
}

// judgeGenerated judges what a sheet adds to the page in front of or behind the
// text of elements: it is no text that anybody reads here, but may lie over some.
func (c *cascade) judgeGenerated(decls []declaration) {
	l, s := plainLook(), style{}
	for _, d := range decls {
		if d.name != "content" {
			s.put(d, 0, false)
		}
	}
	l.apply(s)
	if l.cover != "" {
		c.covers(l.cover)
	}
}

// importTarget returns the address of @import as it is written.
func importTarget(head []cssToken) string {
	for _, t := range skipBlank(head) {
		switch t.kind {
		case css.URLToken, css.StringToken:
			v := strings.TrimSuffix(strings.TrimPrefix(lowerASCII(t.text), "url("), ")")
			return strings.Trim(v, "\"' \t\n")
		}
	}
	return ""
}

// fontHosts serve style sheets that name fonts and nothing else.
var fontHosts = []string{"fonts.googleapis.com/", "use.typekit.net/", "fonts.bunny.net/", "use.fontawesome.com/",
	"cloud.typography.com/", "fast.fonts.net/", "p.typekit.net/"}

// onlyFonts reports whether a style sheet elsewhere is one of fonts alone.
func onlyFonts(address string) bool {
	address = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(lowerASCII(address), "https:"), "http:"), "//")
	return slices.ContainsFunc(fontHosts, func(h string) bool { return strings.HasPrefix(address, h) })
}
