package message

import "strings"

// role is what a leaf of the MIME tree is to who reads the mail.
type role int

// A leaf that has no role is a file; text that has a file name is one as well.
const (
	roleText  role = iota + 1 // it stands in the text, or is one of its forms
	roleBlank                 // it holds nothing, and nothing calls it a file
)

// roles says what the leaves are. It rests on the header of each part alone, so
// that a mail is counted the same with and without decoding it.
type roles map[*entity]role

// rolesIn finds the roles of the leaves under root.
func rolesIn(root *entity) roles {
	r := roles{}
	texts := 0
	var walk func(e *entity, form bool)
	walk = func(e *entity, form bool) {
		switch {
		case e.isMessage():
			return
		case len(e.parts) == 0:
			named := len(e.names()) > 0
			switch {
			case e.inline() && (form || texts == 0 || !named):
				r[e] = roleText
				texts++
			case form && e.shown() && !named && e.kind != "text/calendar":
				r[e] = roleBlank // a form of the text that no common program shows
			case len(e.body) == 0 && !named && e.disposition == nil && e.shown():
				r[e] = roleBlank
			}
			return
		case e.kind == "multipart/related":
			main := e.mainPart()
			for _, p := range e.parts {
				if p == main || len(p.parts) > 0 {
					walk(p, form)
				}
			}
			return
		}
		for _, p := range e.parts {
			walk(p, form || e.kind == "multipart/alternative")
		}
	}
	walk(root, false)
	return r
}

// eachFile hands over what is offered as a file, in the order of the parts; related
// says that it belongs to a page.
func (r roles) eachFile(e *entity, related bool, yield func(e *entity, related bool)) {
	if e.isMessage() || len(e.parts) == 0 {
		if r[e] == 0 || r[e] == roleText && len(e.names()) > 0 {
			yield(e, related)
		}
		return
	}
	for _, p := range e.parts {
		r.eachFile(p, related || e.kind == "multipart/related", yield)
	}
}

// countFiles returns how many files a reader of the mail is offered. Those in
// running text (uuencode) are not counted: they are found when it is read.
func countFiles(root *entity) int {
	n := 0
	rolesIn(root).eachFile(root, false, func(*entity, bool) { n++ })
	return n
}

// mainPart returns the part of a multipart/related that is shown (RFC 2387).
func (e *entity) mainPart() *entity {
	if start := e.typ.first("start"); start != "" {
		for _, p := range e.parts {
			if p.field("content-id") == start {
				return p
			}
		}
	}
	return e.parts[0]
}

// inline reports whether a leaf is text that stands in the mail itself. A part
// that could not be cut is shown as it stands.
func (e *entity) inline() bool {
	switch e.kind {
	case "text/calendar", "text/rfc822-headers", "text/x-amp-html", "text/vcard", "text/x-vcard", "text/directory":
		return false
	}
	return e.shown() && (strings.HasPrefix(e.kind, "text/") || strings.HasPrefix(e.kind, "multipart/"))
}

// forms returns the parts of an alternative, best first: the pages that mail
// programs show, plain text, then what few can show. Of each kind the last one is
// the best (RFC 2046, section 5.1.4).
func (e *entity) forms() []*entity {
	var pages, plain, others []*entity
	for i := len(e.parts) - 1; i >= 0; i-- {
		switch p := e.parts[i]; {
		case p.holds("text/html"):
			pages = append(pages, p)
		case p.holds("text/plain"):
			plain = append(plain, p)
		default:
			others = append(others, p)
		}
	}
	return append(append(pages, plain...), others...)
}

// holds reports whether there is a shown leaf of that type under e.
func (e *entity) holds(kind string) bool {
	if len(e.parts) == 0 {
		return e.kind == kind && e.shown()
	}
	if e.isMessage() {
		return false
	}
	for _, p := range e.parts {
		if p.holds(kind) {
			return true
		}
	}
	return false
}
