package mail

import (
	"strings"

	"golang.org/x/net/html"
)

// page renders an HTML part as text for the approver. It drops nothing that
// holds words: what a browser would not show is shown with a mark. It works on
// tokens, not on a tree, so that its cost is linear in the octets.
//
// It knows inline styles only, and marks what it finds hidden as a help, not as
// a promise: text hidden by a style sheet appears too, without a mark.
type page struct {
	out    flow
	words  strings.Builder // text alone, without marks, for the comparison
	links  []string
	marked bool // something is hidden

	hiddenBy string // the element that hides what is inside, "" for none
	depth    int    // how many elements of that name are open
	href     string // of the open link
	shaded   bool   // a background was set, so white text may be visible
	inner    bool   // inside noscript, whose content is not entered twice
}

// renderHTML renders source.
func renderHTML(source string) *page {
	p := &page{}
	p.walk(source)
	p.unhide()
	return p
}

func (p *page) walk(source string) {
	z := html.NewTokenizer(strings.NewReader(source))
	for raw := ""; ; {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			p.text(string(z.Text()), raw)
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			p.start(t)
			if raw = ""; rawElements[t.Data] {
				raw = t.Data
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			raw = ""
			p.end(string(name))
		case html.CommentToken:
			p.comment(string(z.Text()))
		case html.DoctypeToken:
			if s := string(z.Text()); !strings.HasPrefix(strings.ToLower(s), "html") {
				p.mark("doctype", s)
			}
		}
	}
}

// rawElements hold text which the tokenizer hands over unread.
var rawElements = map[string]bool{
	"script": true, "style": true, "iframe": true, "noembed": true, "noframes": true,
	"noscript": true, "xmp": true, "textarea": true, "title": true,
}

// text takes the text inside the element raw, or ordinary text when raw is "".
func (p *page) text(s, raw string) {
	switch raw {
	case "script", "iframe", "noembed", "noframes", "title":
		p.mark(raw, s)
	case "style":
		p.links = append(p.links, cssLinks(s)...)
		// A style sheet adds words, takes some away, and in foreign content its
		// text is markup again: the approver sees that there is one.
		if strings.TrimSpace(s) != "" {
			p.mark("style", s)
		}
	case "noscript": // a mail program runs no script, so it renders this
		if p.inner {
			p.mark(raw, s)
			return
		}
		p.inner = true
		p.walk(s)
		p.inner = false
	default:
		p.words.WriteString(s)
		p.out.write(s)
	}
}

// comment shows a comment, unless it is the bare frame of a conditional one.
func (p *page) comment(s string) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "[if ") {
		_, s, _ = strings.Cut(s, "]>")
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "<![endif]"), "<!")
	p.mark("comment", s)
}

// mark shows text that is in the mail but not on the recipient's screen.
func (p *page) mark(what, s string) {
	if s = strings.TrimSpace(s); s == "" {
		return
	}
	p.marked = true
	p.out.write(" [" + what + ": " + s + "] ")
}

func (p *page) start(t html.Token) {
	p.breakAround(t.Data)
	if p.hiddenBy == t.Data {
		p.depth++
	} else if p.hiddenBy == "" && !voidElements[t.Data] && p.hides(t) {
		p.hiddenBy, p.depth, p.marked = t.Data, 1, true
		p.out.write(" [hidden: ")
	}
	for _, a := range t.Attr {
		p.attribute(t.Data, a)
	}
	switch t.Data {
	case "li":
		p.out.write("- ")
	case "td", "th":
		p.out.write(" ")
	}
}

// attribute takes links and words out of an attribute.
func (p *page) attribute(element string, a html.Attribute) {
	v := strings.TrimSpace(a.Val)
	if v == "" {
		return
	}
	switch strings.ToLower(a.Key) {
	case "href":
		p.links = append(p.links, v)
		if element == "a" {
			p.href = v
		}
	case "src", "action", "formaction", "background", "poster", "cite", "data", "longdesc",
		"xlink:href", "ping", "manifest", "codebase", "classid":
		p.links = append(p.links, v)
	case "srcset":
		for _, candidate := range strings.Split(v, ",") {
			url, _, _ := strings.Cut(strings.TrimSpace(candidate), " ")
			p.links = append(p.links, url)
		}
	case "style":
		p.links = append(p.links, cssLinks(v)...)
	case "content":
		p.links = append(p.links, textLinks(v)...)
		if _, url, ok := strings.Cut(strings.ToLower(v), "url="); ok && element == "meta" {
			p.links = append(p.links, strings.Trim(v[len(v)-len(url):], `"' `))
		}
	case "alt", "placeholder", "value", "label", "summary", "aria-label", "title":
		p.mark(a.Key, v)
	}
}

func (p *page) end(name string) {
	if name == "a" && p.href != "" {
		if !strings.HasSuffix(p.out.b.String(), p.href) {
			p.out.write(" <" + p.href + ">")
		}
		p.href = ""
	}
	if p.hiddenBy == name && p.hiddenBy != "" {
		if p.depth--; p.depth == 0 {
			p.unhide()
		}
	}
	p.breakAround(name)
}

// unhide ends the hidden stretch.
func (p *page) unhide() {
	if p.hiddenBy != "" {
		p.hiddenBy = ""
		p.out.write("] ")
	}
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

var voidElements = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true,
	"input": true, "link": true, "meta": true, "param": true, "source": true, "track": true,
	"wbr": true,
}

// flow collects text with white space collapsed as a browser does.
type flow struct {
	b     strings.Builder
	lines int  // line ends wanted before the next word
	space bool // a space is wanted before the next word
}

// write adds s; any run of white space in it is one space.
func (f *flow) write(s string) {
	for len(s) > 0 {
		i := strings.IndexAny(s, " \t\r\n\f")
		if i == 0 {
			s = strings.TrimLeft(s, " \t\r\n\f")
			f.space = true
			continue
		}
		word := s
		if i > 0 {
			word = s[:i]
		}
		s = s[len(word):]
		switch {
		case f.b.Len() == 0:
		case f.lines > 0:
			f.b.WriteString("\n\n"[:f.lines])
		case f.space:
			f.b.WriteByte(' ')
		}
		f.b.WriteString(word)
		f.lines, f.space = 0, false
	}
}

// line asks for at least n line ends before the next word.
func (f *flow) line(n int) { f.lines = max(f.lines, n) }
