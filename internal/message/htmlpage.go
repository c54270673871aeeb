package message

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// page renders an HTML part as text for the approver. It drops nothing that
// holds words: a stretch of text is certainly shown as running text, by the
// positive lists in this package, or it has a note that says why not. It works
// on tokens, not on a tree, so that its cost is linear in the octets; where
// programs build different trees, the note stays on.
type page struct {
	out   flow
	words strings.Builder // text of elements alone, for hashes
	links []Link
	cuts  []cut

	body     element         // what html and body say
	open     []element       // the elements that are open
	doubtful int             // how many of them browsers may have ended
	begun    bool            // some text was certainly shown
	frames   map[string]bool // html and body, once they were there
	classed  bool            // html or body has a class or an id
	whole    string          // why nothing of the page is certainly shown
	rest     string          // why nothing that follows is
	ifs      int             // conditional comments that show what follows to some programs
	sheet    sheet
	remarks  []string // what may change it all

	linkColours []colour
	link        int    // index of the open link, -1 for none
	linkAt      int    // where its text begins in words
	linkAlt     string // of the images in it
}

// cut is where another stretch of text begins in the output.
type cut struct {
	at int
	marking
}

// marking is what may hide a stretch of text.
type marking struct {
	note    string // why it is not certainly shown
	classed bool   // a rule for a class or an id may apply
	shaded  bool   // a colour from a style sheet may make it vanish
}

// maxOpen is how deep elements may nest; browsers flatten what is deeper.
const maxOpen = 500

// linkColours are those of links where nothing sets another.
var linkColours = []colour{{0, 0, 0xee}, {0x55, 0x1a, 0x8b}}

// renderHTML renders source.
func renderHTML(source string) *page {
	p := &page{link: -1, body: element{name: "body", size: normalSize}, linkColours: linkColours}
	eachToken(source, p)
	p.endLink()
	return p
}

func (p *page) unclosed(s string) { p.aside("unclosed tag", s) }

func (p *page) doctype(s string) {
	if f := strings.Fields(strings.ToLower(s)); len(f) == 0 || f[0] != "html" || len(f) > 1 && f[1] != "public" {
		p.aside("doctype", s)
	}
}

// text takes text as it stands in the innermost open element.
func (p *page) text(s string) {
	e := p.top()
	switch e.name {
	case "style":
		if strings.TrimSpace(s) == "" {
			return
		}
		p.addLinks(cssLinks(s))
		p.remark(remarkSheet)
		p.sheet.read(s)
		p.aside("style sheet", s)
		return
	case "script", "iframe", "noembed", "noframes", "title":
	default:
		p.words.WriteString(s)
	}
	note := p.why(e)
	if note == "" && between[e.name] && strings.TrimSpace(s) != "" {
		note = "text between the cells of a table"
	}
	p.begun = p.begun || note == "" && strings.TrimSpace(s) != ""
	p.write(marking{note: note, classed: e.classed, shaded: e.shaded()}, s)
}

// why says why text in e is not certainly shown.
func (p *page) why(e element) string {
	switch {
	case e.note != "":
		return e.note
	case p.rest != "":
		return p.rest
	case p.ifs > 0:
		return "conditional comment"
	}
	return ""
}

// aside shows what stands beside the running text.
func (p *page) aside(note, s string) {
	if strings.TrimSpace(s) != "" {
		p.addLinks(textLinks(s))
		p.out.space = true
		p.write(marking{note: note}, s)
		p.out.space = true
	}
}

// write appends s to the stretch before it, if that has the same marking, or begins another.
func (p *page) write(m marking, s string) {
	if n := len(p.cuts); strings.Trim(s, " \t\r\n\f") != "" && (n == 0 || p.cuts[n-1].marking != m) {
		p.cuts = append(p.cuts, cut{p.out.b.Len(), m})
	}
	p.out.write(s)
}

// comment shows a comment. One that shows what follows to some programs alone
// stays open until its counterpart.
func (p *page) comment(s string, bogus bool) {
	s = strings.TrimSpace(s)
	switch {
	case s == "<![endif]" || s == "[endif]" && bogus:
		p.ifs = max(p.ifs-1, 0)
		return
	case strings.HasPrefix(s, "[if"):
		p.remark(remarkConditional)
		if !strings.HasSuffix(s, "<![endif]") {
			p.ifs++
		}
		_, s, _ = strings.Cut(s, "]>")
		s = strings.TrimSuffix(strings.TrimSuffix(s, "<![endif]"), "<!")
	}
	p.aside("comment", s)
}

// Remarks on every text of a page.
const (
	remarkSheet       = "the page has a style sheet"
	remarkConditional = "the page has comments that some programs read as a part of it"
	remarkRefresh     = "the page may be replaced by another"
)

const hiddenBySheet = "the style sheet may hide it"

func (p *page) remark(s string) {
	if !slices.Contains(p.remarks, s) {
		p.remarks = append(p.remarks, s)
	}
}

// judged returns the kind and the note of what has the marking m.
func (p *page) judged(m marking) (SegmentKind, string) {
	switch {
	case m.note != "":
		return SegmentHidden, m.note
	case p.whole != "":
		return SegmentHidden, p.whole
	case p.sheet.whole:
		return SegmentHidden, hiddenBySheet
	case p.sheet.names && (m.classed || p.classed):
		return SegmentHidden, hiddenBySheet + ", by a class or an id"
	case p.sheet.colours && m.shaded:
		return SegmentHidden, hiddenBySheet + ", by a colour"
	}
	return SegmentHTML, strings.Join(p.remarks, "; ")
}

// eachSegment hands over what the page says, in its order.
func (p *page) eachSegment(yield func(kind SegmentKind, note, text string)) {
	text := p.out.b.String()
	for i := 0; i < len(p.cuts); {
		from := p.cuts[i].at
		kind, note := p.judged(p.cuts[i].marking)
		for i++; i < len(p.cuts); i++ {
			if k, n := p.judged(p.cuts[i].marking); k != kind || n != note {
				break
			}
		}
		to := len(text)
		if i < len(p.cuts) {
			to = p.cuts[i].at
		}
		yield(kind, note, text[from:to])
	}
}

func (p *page) start(t html.Token) {
	p.breakAround(t.Data)
	p.closeImplied(t.Data)
	if t.Data == "a" {
		p.endLink()
	}
	if p.link >= 0 && (t.Data == "table" || tableParts[t.Data]) { // where it ends differs
		p.links[p.link].Why = "its text goes through a table"
	}
	if in := parents[t.Data]; in != nil && !in[p.top().name] {
		p.hideRest("element " + t.Data + " outside of a table")
	}
	e := p.judge(t)
	if p.rest != "" && rawElements[t.Data] && p.whole == "" { // what is inside may be read as tags, body among them
		p.whole = p.rest
	}
	switch {
	case t.Data == "html" || t.Data == "body":
		p.frame(e)
	case t.Data == "head" || voidElements[t.Data]:
	case len(p.open) >= maxOpen:
		p.hideRest("elements nested too deep")
	default:
		p.open = append(p.open, e)
	}
	switch t.Data {
	case "li":
		p.out.item = true
	case "td", "th":
		p.out.space = true
	}
}

// frame takes html and body, whose attributes count for the whole page,
// wherever they stand.
func (p *page) frame(e element) {
	if p.frames[e.name] {
		p.whole = "element " + e.name + " twice"
	}
	if p.frames == nil {
		p.frames = map[string]bool{}
	}
	p.frames[e.name] = true
	before := p.body
	before.name, before.classed = e.name, e.classed
	switch {
	case e.note != "":
		p.whole = e.note
	case e != before && (p.begun || len(p.open) > 0):
		p.whole = "element " + e.name + " after text"
	}
	p.classed = p.classed || e.classed
	p.body = e
}

// hideRest marks all that follows.
func (p *page) hideRest(why string) {
	if p.rest == "" {
		p.rest = why
	}
}

func (p *page) end(name string) {
	if name == "a" {
		p.endLink()
	}
	p.close(name)
	p.breakAround(name)
}

// breakAround starts a new line or paragraph where a browser would.
func (p *page) breakAround(name string) {
	switch name {
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "ul", "ol", "hr":
		p.out.line(2)
	case "div", "br", "tr", "li", "section", "article", "header", "footer", "address", "dl", "dt",
		"dd", "form", "fieldset", "center", "body", "head", "title", "option", "nav", "main":
		p.out.line(1)
	case "td", "th", "style", "script":
	default:
		return // an inline element does not part words
	}
	p.words.WriteByte(' ')
}

var rawElements = set("title textarea style script iframe noembed noframes xmp plaintext")

var voidElements = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true,
	"input": true, "link": true, "meta": true, "param": true, "source": true, "track": true,
	"wbr": true,
}
