package message

import (
	"slices"
	"strings"
)

// neverSeen are elements whose text no mail program shows in its place.
var neverSeen = map[string]string{
	"iframe": "a frame", "noembed": "a frame", "noframes": "a frame", "frameset": "a frame", "object": "an object",
	"audio": "an object", "video": "an object", "canvas": "an object", "progress": "an object", "meter": "an object",
	"svg": "a drawing", "math": "a drawing", "datalist": "a form", "textarea": "a form", "select": "a form",
	"map": "a map", "rp": "ruby", "dialog": "a dialog", "template": "a template", "marquee": "text that moves",
	"bdo": "text that is turned round", "head": "the head of the page",
}

// paint sets how e looks. enough is false when that costs too much.
func (s *sight) paint(e, parent *seen) (enough bool) {
	l := &e.look
	l.tag, l.cover, l.spans, l.floats, l.outerSize = e.tag, "", spans{}, false, parent.look.size
	if e.tag == "summary" && parent.tag == "details" && !parent.opened {
		*l = parent.outer
		l.tag, parent.opened = e.tag, true
	}
	if e.outer = *l; e.tag == "details" {
		if _, opened := e.attrs["open"]; !opened {
			l.lose("details that are closed")
		} else if _, named := e.attrs["name"]; named {
			l.covers("details of which one is open")
		}
	}
	s.attributes(e)
	style, enough := s.sheet.styleOf(e.tagged, s.around, e.attrs["style"])
	align := lowerASCII(strings.TrimSpace(e.attrs["align"]))
	l.floats = e.tag == "table" && (align == "left" || align == "right")
	l.begin(style)
	l.outer = l.fg
	s.markup(e)
	l.apply(style)
	switch {
	case e.tag == "body":
		s.ink = l.fg
	case e.tag == "html" && l.size < normalSize-2: // rem is a part of it
		l.covers("a small size of all letters")
	}
	if s.stretched(e) {
		l.lose("size of the box")
	}
	if (e.tag == "col" || e.tag == "colgroup") && l.hidden() != parent.look.hidden() {
		l.covers("a column that is hidden")
	}
	return enough
}

// attributes judges what hides by itself.
func (s *sight) attributes(e *seen) {
	l := &e.look
	if why := neverSeen[e.tag]; why != "" {
		if _, opened := e.attrs["open"]; e.tag != "dialog" || !opened {
			l.lose(why)
		} else {
			l.covers("a dialog")
		}
	}
	if strings.HasPrefix(lowerASCII(strings.TrimSpace(e.attrs["background"])), "data:") {
		l.unread("background")
	}
	for _, name := range []string{"hidden", "popover"} {
		if _, ok := e.attrs[name]; ok {
			l.lose("attribute " + name)
		}
	}
	if strings.EqualFold(strings.TrimSpace(e.attrs["aria-hidden"]), "true") {
		l.lose("attribute aria-hidden")
	}
}

// partSizes are the sizes of letters of elements, as a part of that around.
var partSizes = map[string]float64{"h1": 2, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67, "small": 0.83, "sub": 0.83,
	"sup": 0.83, "big": 1.2, "rt": 0.5}

// attrSizes are those of the attribute size of font, in pixels.
var attrSizes = map[string]float64{"1": 10, "2": 13, "3": 16, "4": 18, "5": 24, "6": 32, "7": 48,
	"-1": 13, "-2": 10, "+1": 18, "+2": 24, "+3": 32, "+4": 48}

// markup applies what attributes and elements style by themselves.
func (s *sight) markup(e *seen) {
	l := &e.look
	if part, ok := partSizes[e.tag]; ok {
		l.size *= part
	}
	switch e.tag {
	case "pre", "xmp", "listing", "plaintext":
		l.pre, l.nowrap = true, true
	case "a":
		if _, ok := e.attrs["href"]; ok {
			l.fg = s.links
		}
	case "nobr":
		l.nowrap = true
	case "caption":
		l.bg = unite(l.bg, l.beside...)
	case "table":
		l.pre, l.beside = false, l.bg
		if s.quirks { // it has the colour of the body there
			l.fg = slices.Concat(l.fg, s.ink)
		}
	case "option":
		if _, ok := e.attrs["label"]; ok {
			l.lose("a form")
		}
	case "mark":
		l.fg, l.bg = []shade{{black, 1}}, []colour{{255, 255, 0}}
	case "button":
		l.fg, l.bg = []shade{{black, 1}}, []colour{{239, 239, 239}}
		if _, ok := e.attrs["disabled"]; ok {
			l.fg = []shade{{colour{16, 16, 16}, 0.3}}
		}
	case "body":
		s.body(e)
	case "font":
		if c, ok := legacyShade(e.attrs["color"]); ok {
			l.fg = []shade{c}
		}
		if px, ok := attrSizes[strings.TrimSpace(e.attrs["size"])]; ok {
			l.size = px
		}
	}
	if _, ok := e.attrs["nowrap"]; ok {
		l.nowrap = true
	}
	if c, ok := legacyShade(e.attrs["bgcolor"]); ok && (growing[e.tag] || e.tag == "body") {
		l.bg = []colour{c.colour}
	}
}

// stretched reports whether attributes make a table so large that text in it may be out of
// sight.
func (s *sight) stretched(e *seen) bool {
	for name, most := range map[string]float64{"cellpadding": farAway, "cellspacing": farAway, "width": leastWindow,
		"height": farBeyond} {
		if n, unit, ok := splitValue(strings.TrimSpace(e.attrs[name])); ok && growing[e.tag] && unit != "%" && n > most {
			return true
		}
	}
	return false
}

// body takes the colours of the page.
func (s *sight) body(e *seen) {
	if c, ok := legacyShade(e.attrs["text"]); ok {
		e.look.fg = []shade{c}
	}
	if c, ok := legacyShade(e.attrs["link"]); ok {
		s.links = []shade{c}
	}
	if c, ok := legacyShade(e.attrs["vlink"]); ok {
		s.links = append(s.links[:1:1], c)
	}
}

// head judges what stands for the page as a whole.
func (s *sight) head(e *seen) {
	name := lowerASCII(strings.TrimSpace(e.attrs["name"]))
	_, shadow := e.attrs["shadowrootmode"]
	equiv := lowerASCII(strings.TrimSpace(e.attrs["http-equiv"]))
	switch {
	case e.tag == "meta" && (equiv == "content-security-policy" || equiv == "refresh"):
		s.sheet.covers("a page that goes elsewhere, or keeps styles from counting")
	case shadow:
		s.sheet.covers("a shadow tree")
	case e.tag == "meta" && (name == "color-scheme" || name == "supported-color-schemes"):
		value := strings.Join(htmlWords(lowerASCII(e.attrs["content"])), " ")
		if value = strings.TrimSuffix(value, ";"); value != "" && !plainWords["color-scheme"][value] {
			s.sheet.covers("a dark page")
		}
	case e.tag != "link" || !strings.Contains(lowerASCII(e.attrs["rel"]), "stylesheet"):
	case !onlyFonts(strings.TrimSpace(e.attrs["href"])):
		s.sheet.covers("a style sheet elsewhere")
	}
}
