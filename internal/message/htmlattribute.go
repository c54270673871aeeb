package message

import (
	"strings"

	"golang.org/x/net/html"
)

// judge returns the element that a start tag opens, and takes links and words
// out of its attributes.
func (p *page) judge(t html.Token) element {
	around := p.top()
	e := around
	e.name = t.Data
	own := ""
	if !certainElements[t.Data] {
		own = "element " + cutText(t.Data, maxNoted)
		if !otherElements[t.Data] {
			p.hideRest(own)
		}
	} else if t.Data == "title" {
		own = "element title"
	}
	note := func(why string) {
		if own == "" {
			own = why
		}
	}
	note(p.moved(t.Data))
	styling := newStyling(t.Data, around)
	seen := map[string]bool{}
	for _, a := range t.Attr {
		if seen[a.Key] { // the first counts, for some
			note("attribute " + cutText(a.Key, maxNoted) + " twice")
		}
		seen[a.Key] = true
		note(p.attribute(t.Data, a, styling))
	}
	note(styling.judge(p, &e))
	if e.note == "" {
		e.note = own
	}
	e.classed = e.classed || styling.classed
	p.collect(t)
	return e
}

// maxNoted bounds a name in a note, in runes.
const maxNoted = 40

// attribute judges one attribute; what it sets goes to styling.
func (p *page) attribute(name string, a html.Attribute, styling *styling) (why string) {
	v := strings.ToLower(strings.TrimSpace(a.Val))
	if !onlyASCII(a.Val) && !freeAttributes[a.Key] { // some letters beyond ASCII fold into it
		return "attribute " + cutText(a.Key, maxNoted)
	}
	switch a.Key {
	case "style":
		return styling.style(v)
	case "name", "content":
		if name == "meta" && (strings.Contains(v, "color-scheme") || strings.Contains(v, "dark")) {
			p.hideRest("colours of a dark screen")
			return "attribute " + a.Key
		}
	case "align":
		if name == "table" && (v == "left" || v == "right") { // what follows stands beside it
			return "attribute align"
		}
	case "rowspan":
		if v != "" && v != "1" { // cells may cover others
			return "attribute rowspan"
		}
	case "class", "id":
		styling.classed = true
		return ""
	case "bgcolor":
		return styling.background(v, "attribute bgcolor")
	case "color", "text":
		if name == "font" && a.Key == "color" || name == "body" && a.Key == "text" {
			return styling.foreground(v, "attribute "+a.Key)
		}
	case "link", "vlink", "alink":
		if c, ok := parseColour(v); ok && name == "body" && c.dark() && len(p.linkColours) < 8 {
			p.linkColours = append(p.linkColours, c)
			return ""
		}
	case "size":
		if name == "font" {
			return styling.fontSize(v)
		}
	case "alt", "title":
		return ""
	}
	if allowed := plainAttributes[a.Key]; allowed != nil && allowed(name, v) {
		return ""
	}
	return "attribute " + cutText(a.Key, maxNoted)
}

// freeAttributes hold text of any letters.
var freeAttributes = set("alt title href src content name cite class id target")

// plainAttributes change nothing about the words, with the values that their
// function allows.
var plainAttributes = func() map[string]func(element, v string) bool {
	out := map[string]func(string, string) bool{}
	any := func(_, _ string) bool { return true }
	for _, n := range strings.Fields("href src cite valign lang xml:lang charset name target rel nowrap clear noshade " +
		"xmlns xmlns:v xmlns:o xmlns:w xmlns:m xmlns:st1 http-equiv content media wrap cols") {
		out[n] = any
	}
	number := func(limit float64) func(string, string) bool {
		return func(_, v string) bool {
			n, unit := splitNumber(v)
			return v == "" || n >= 0 && (unit == "%" && n <= 100 || unit == "" && n <= limit)
		}
	}
	for _, n := range []string{"width", "cellpadding", "cellspacing", "colspan", "rowspan", "hspace", "vspace", "border"} {
		limit := 100.0
		if n == "width" {
			limit = maxWidth
		}
		out[n] = number(limit)
	}
	out["height"] = func(element, v string) bool { return growsAnyway[element] && number(maxWidth)(element, v) }
	one := func(values string) func(string, string) bool {
		ok := set(values)
		return func(_, v string) bool { return ok[v] }
	}
	out["align"] = one("left right center justify middle top bottom")
	out["role"] = one("presentation none article")
	out["dir"] = one("ltr") // what a page without it has
	out["face"] = func(_, v string) bool { return plainFonts(v) }
	out["type"] = func(element, v string) bool {
		return element == "style" && v == "text/css" || element == "blockquote" && v == "cite" ||
			element == "ul" && set("disc circle square")[v]
	}
	return out
}()

// growsAnyway are the elements whose height is the least they take.
var growsAnyway = set("table tr td th img")

// collect takes links and words out of attributes.
func (p *page) collect(t html.Token) {
	p.collectLinks(t)
	for _, a := range t.Attr {
		v := strings.TrimSpace(a.Val)
		switch a.Key {
		case "style", "class", "id", "color", "text", "bgcolor", "link", "vlink", "alink", "size":
			continue
		case "background", "action", "formaction", "poster", "ping", "srcset", "data", "xlink:href": // listed as links
			continue
		case "alt", "title": // shown by some, in a place of their own
		default:
			if allowed := plainAttributes[a.Key]; allowed != nil && allowed(t.Data, strings.ToLower(v)) {
				continue
			}
		}
		p.aside("attribute "+cutText(a.Key, maxNoted)+" of "+cutText(t.Data, maxNoted), v)
	}
}
