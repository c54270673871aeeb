package message

import (
	"strings"

	"golang.org/x/net/html"

	"github.com/multimail/multimail/mail"
)

// sight reads a page as a person sees it on a screen that loads nothing: its
// text as Markdown, without what is hidden. Where the approver's page marks all
// that is not certainly shown, this drops only what is known to hide.
type sight struct {
	out     markdown
	sheet   cascade
	open    []seen
	around  []*tagged // of open
	hidden  string    // why the first text was dropped, "" if none was
	pixels  int       // remote images that nobody sees
	remote  int       // what a mail program would fetch
	tooMuch bool      // more styling than is judged
	nothing bool      // the page as a whole is hidden
}

// seen is an open element.
type seen struct {
	*tagged
	look   look
	outer  look // of what is around closed details: their summary has it
	silent bool // what is inside is no text of the page: a style sheet, its title
	closer func()
}

// maxSeen is how deep elements may nest; what follows
// something deeper counts as hidden.
const maxSeen = 256

// readPage reads source. remote content is counted and never fetched.
func readPage(source string) *sight {
	s := &sight{sheet: cascade{work: stylingSlack + stylingFactor*len(source)}}
	eachToken(source, &sheets{into: s})
	for _, tag := range []string{"html", "body"} { // they are there without their tags, too
		e := seen{tagged: &tagged{tag: tag, attrs: map[string]string{}}}
		e.look, _ = s.inner()
		s.tooMuch = !s.paint(&e) || s.tooMuch
		s.push(e)
	}
	eachToken(source, s)
	for len(s.open) > 0 {
		s.pop()
	}
	if s.nothing {
		s.drop("the page is hidden", string(s.out.b))
		s.out.b = nil
	}
	return s
}

// What the styles of a page may cost, in steps of matching them.
const (
	stylingSlack  = 256 << 10
	stylingFactor = 8
)

// sheets takes the style sheets of a page, wherever they stand.
type sheets struct {
	into   *sight
	inside bool
}

func (h *sheets) start(t html.Token)       { h.inside = t.Data == "style" }
func (h *sheets) end(string)               { h.inside = false }
func (h *sheets) comment(_ string, _ bool) {}
func (h *sheets) doctype(string)           {}
func (h *sheets) unclosed(string)          {}
func (h *sheets) text(s string) {
	if h.inside {
		h.into.sheet.add(s)
		h.into.remote += cssRemote(s)
	}
}

// text takes text as it stands in the innermost open element.
func (s *sight) text(text string) {
	l, silent := s.inner()
	if silent {
		return
	}
	why := l.hidden()
	if why == "" && s.tooMuch {
		why = "more styling than is judged"
	}
	if why != "" {
		s.drop(why, text)
		return
	}
	s.out.write(text, l.pre)
}

// inner returns how text in the innermost open element looks.
func (s *sight) inner() (l look, silent bool) {
	if n := len(s.open); n > 0 {
		return s.open[n-1].look, s.open[n-1].silent
	}
	return plainLook, false
}

// drop notes that text was hidden, if it says anything.
func (s *sight) drop(why, text string) {
	if s.hidden == "" && strings.ContainsFunc(text, isWord) {
		s.hidden = why
	}
}

func (s *sight) doctype(string) {}

func (s *sight) unclosed(text string) { s.drop("a tag without an end", text) }

// comment drops a comment. Comments that Outlook alone reads hold markup in
// every newsletter: they hide something when that holds words.
func (s *sight) comment(text string, _ bool) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[if") || strings.HasPrefix(text, "<![endif]") || strings.HasPrefix(text, "[endif]") {
		_, text, _ = strings.Cut(text, "]>")
		if strings.Contains(text, "<xml") || strings.Contains(text, "<style") {
			return
		}
		text = withoutTags(text)
	}
	s.drop("a comment", text)
}

func withoutTags(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "<")
		b.WriteString(before + " ")
		if !ok {
			return b.String()
		}
		if _, s, ok = strings.Cut(rest, ">"); !ok {
			return b.String()
		}
	}
}

// start opens an element.
func (s *sight) start(t html.Token) {
	if t.Data == "html" || t.Data == "body" {
		s.frame(t)
		return
	}
	s.closeFor(t.Data)
	e := seen{tagged: taggedOf(t)}
	e.look, e.silent = s.inner()
	before := e.look
	s.tooMuch = !s.paint(&e) || s.tooMuch
	s.count(&e)
	visible := !e.silent && e.look.hidden() == "" && !s.tooMuch
	switch t.Data {
	case "style", "script", "title":
		e.silent = true
	case "br":
		if before.hidden() == "" {
			s.out.line(1)
		}
	case "hr":
		s.out.rule()
	case "img":
		if visible {
			s.image(&e)
		}
	}
	switch {
	case voidElements[t.Data] || t.Data == "head":
	case len(s.open) >= maxSeen:
		s.tooMuch = true
	default:
		if visible || blocks[t.Data] {
			e.closer = s.out.open(e.tagged)
		}
		s.push(e)
	}
}

func (s *sight) push(e seen) {
	s.open = append(s.open, e)
	s.around = append(s.around, e.tagged)
}

// frame takes html and body. What one of them sets counts for the whole page,
// wherever it stands.
func (s *sight) frame(t html.Token) {
	for i := range s.open[:min(2, len(s.open))] {
		e := &s.open[i]
		if e.tag != t.Data {
			continue
		}
		*e.tagged = *taggedOf(t)
		e.look = plainLook
		if i > 0 {
			e.look = s.open[i-1].look
		}
		around := s.around
		s.around = s.around[:i]
		s.tooMuch = !s.paint(e) || s.tooMuch
		s.around = around
		s.count(e)
		if e.look.hidden() != "" && (len(s.out.b) > 0 || len(s.open) > 2) {
			s.nothing = true
		}
	}
	if len(s.open) == 2 { // body inherits from html
		e := &s.open[1]
		e.look = s.open[0].look
		s.around = s.around[:1]
		s.tooMuch = !s.paint(e) || s.tooMuch
		s.around = append(s.around, e.tagged)
	}
}

func taggedOf(t html.Token) *tagged {
	e := &tagged{tag: t.Data, attrs: map[string]string{}}
	for _, a := range t.Attr {
		if _, had := e.attrs[a.Key]; !had { // browsers take the first
			e.attrs[a.Key] = a.Val
		}
	}
	e.id = lowerASCII(strings.TrimSpace(e.attrs["id"]))
	e.classes = strings.Fields(lowerASCII(e.attrs["class"]))
	return e
}

// neverSeen are elements whose text no mail program shows in its place.
var neverSeen = map[string]string{
	"iframe": "a frame", "noembed": "a frame", "noframes": "a frame", "object": "an object", "audio": "an object",
	"video": "an object", "canvas": "an object", "svg": "a drawing", "math": "a drawing", "datalist": "a form",
	"textarea": "a form", "select": "a form", "map": "a map", "rp": "ruby", "dialog": "a dialog", "template": "a template",
}

// paint sets how e looks. enough is false when that costs too much.
func (s *sight) paint(e *seen) (enough bool) {
	l := &e.look
	if why := neverSeen[e.tag]; why != "" {
		if _, opened := e.attrs["open"]; e.tag != "dialog" || !opened {
			l.lose(why)
		}
	}
	if _, ok := e.attrs["hidden"]; ok {
		l.lose("attribute hidden")
	}
	if strings.EqualFold(strings.TrimSpace(e.attrs["aria-hidden"]), "true") {
		l.lose("attribute aria-hidden")
	}
	if n := len(s.open); e.tag == "summary" && n > 0 && s.open[n-1].tag == "details" {
		*l = s.open[n-1].outer
	}
	if e.outer = *l; e.tag == "details" {
		if _, opened := e.attrs["open"]; !opened {
			l.lose("details that are closed")
		}
	}
	l.markup(e)
	style, enough := s.sheet.styleOf(e.tagged, s.around, e.attrs["style"])
	l.apply(style)
	return enough
}

// markup applies what attributes and elements style by themselves.
func (l *look) markup(e *seen) {
	switch e.tag {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		l.size = max(l.size, normalSize)
	case "pre", "xmp", "listing", "plaintext":
		l.pre = true
	case "a":
		if _, ok := e.attrs["href"]; ok {
			l.fg = shade{linkColours[0], 1}
		}
	case "table":
		l.pre = false
	}
	if c, ok := parseShade(lowerASCII(e.attrs["color"])); ok && e.tag == "font" {
		l.fg = c
	}
	if c, ok := parseShade(lowerASCII(e.attrs["text"])); ok && e.tag == "body" {
		l.fg = c
	}
	if c, ok := parseShade(lowerASCII(strings.TrimSpace(e.attrs["bgcolor"]))); ok {
		l.bg = c.over(l.bg)
	}
}

// image writes what stands for an image: its description, and for one in the
// mail itself where it is found.
func (s *sight) image(e *seen) {
	alt := strings.Join(strings.Fields(mail.NeutralLine(e.attrs["alt"])), " ")
	alt = cutText(alt, maxAlt)
	src := strings.TrimSpace(e.attrs["src"])
	if id, ok := strings.CutPrefix(lowerASCII(src), "cid:"); ok {
		s.out.write("!["+escapeLink(alt)+"](cid:"+cutText(escapeTarget(src[len(src)-len(id):]), maxAlt)+")", false)
	} else if alt != "" {
		s.out.write("!["+escapeLink(alt)+"]", false)
	}
}

// maxAlt bounds the description of an image, in characters.
const maxAlt = 300
