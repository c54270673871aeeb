package message

import "strings"

// sheet is what the style sheets of a page may do.
type sheet struct {
	whole   bool // hide or add anything
	names   bool // hide what has a class or an id
	colours bool // set a dark colour or a light background
}

// read judges a style sheet by the positive list for styles. It knows rules
// and blocks of @media; what it does not know may do anything.
func (s *sheet) read(css string) {
	css = strings.ToLower(strings.NewReplacer("<!--", " ", "-->", " ").Replace(css))
	if strings.ContainsAny(css, `\&`) || !onlyASCII(css) {
		s.whole = true
		return
	}
	css, ok := stripComments(css)
	if !ok {
		s.whole = true
		return
	}
	for {
		selector, rest, ok := strings.Cut(css, "{")
		for ok || strings.TrimSpace(selector) != "" { // the end of a block of @media
			after, closed := strings.CutPrefix(strings.TrimLeft(selector, blanks), "}")
			if !closed {
				break
			}
			selector = after
		}
		selector = strings.TrimSpace(selector)
		if !ok {
			s.whole = s.whole || selector != ""
			return
		}
		if css = rest; strings.HasPrefix(selector, "@media") {
			continue
		}
		body, rest, _ := strings.Cut(css, "}")
		css = rest
		s.rule(selector, body)
	}
}

// rule judges one rule.
func (s *sheet) rule(selector, body string) {
	if strings.Contains(body, "{") || strings.ContainsAny(selector, `;}"'`) ||
		strings.Count(body, `"`)%2+strings.Count(body, `'`)%2 > 0 {
		s.whole = true
		return
	}
	if strings.HasPrefix(selector, "@page") {
		return
	}
	if selector == "@font-face" { // a font of its own shows other letters
		s.whole = s.whole || strings.Contains(body, "src")
		return
	}
	name := ""
	if certainElements[selector] {
		name = selector
	}
	l := newStyling(name, element{size: normalSize})
	l.sheet = true
	why := l.style(body)
	s.colours = s.colours || l.hasFG || l.hasBG
	if why == "" {
		return
	}
	for _, one := range strings.Split(selector, ",") {
		one = strings.TrimSpace(one)
		last := one[strings.LastIndexAny(one, " >+~")+1:]
		if !strings.ContainsAny(last, ".#") || strings.ContainsAny(one, ":[*@") {
			s.whole = true
			return
		}
	}
	s.names = true
}
