package message

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/multimail/multimail/mail"
)

// sight reads a page as a person sees it on a screen that loads nothing: its text as
// Markdown, without what is hidden. The tree is that of browsers (HTML, section 13.2),
// and so are the rules of styles; what of them is not read counts against the text.
type sight struct {
	out     markdown
	sheet   cascade
	around  []*tagged // elements that are open
	links   []shade   // colours of links
	ink     []shade   // colours of letters of the body
	quirks  bool      // it is read as old pages are
	hidden  string    // why the first text was dropped, "" if none was
	pixels  int       // remote images that nobody sees
	remote  int       // what a mail program would fetch
	words   int       // characters of words that were met
	gap     float64   // pixels since the last text that is seen
	fresh   bool      // the next text begins a line
	line    float64   // length in pixels of the line so far
	seen    int       // texts that were seen
	tooMuch bool      // more styling than is judged
	deep    bool      // it was cut where it is nested too deeply
}

// seen is an open element.
type seen struct {
	*tagged
	look   look
	outer  look // of what is around closed details: their summary has it
	silent bool // what is inside is no text of the page: a style sheet, its title
	opened bool // details whose summary was met
}

// readPage reads source. remote content is counted and never fetched.
func readPage(source string) *sight {
	s := &sight{sheet: cascade{work: stylingSlack + stylingFactor*len(source)}, links: []shade{{linkColours[0], 1}}}
	root, words, unclosed := s.tree(source)
	s.drop("a tag without an end", unclosed)
	if root == nil {
		s.tooMuch = true
		s.drop("more styling than is judged", "x")
		return s
	}
	s.quirks = isQuirky(root)
	s.sheets(root, false)
	top := seen{tagged: &tagged{attrs: map[string]string{}}, look: plainLook()}
	s.inside(root, &top)
	if s.words < words {
		s.drop("text that browsers leave out", "x")
	}
	return s
}

// isQuirky reports whether browsers read a page as old ones (HTML, section 13.2.6.4.1).
func isQuirky(root *html.Node) bool {
	for n := root.FirstChild; n != nil; n = n.NextSibling {
		if n.Type != html.DoctypeNode {
			continue
		}
		public, system := "", ""
		for _, a := range n.Attr {
			if a.Key == "public" {
				public = lowerASCII(a.Val)
			} else {
				system = a.Val
			}
		}
		return n.Data != "html" || public != "" && !strings.Contains(public, "xhtml 1.") &&
			(!strings.Contains(public, "html 4.01") || system == "")
	}
	return true
}

// What the styles of a page may cost, in steps of matching them.
const (
	stylingSlack  = 256 << 10
	stylingFactor = 8
)

// sheets takes the style sheets of a page, wherever they stand.
func (s *sight) sheets(n *html.Node, unsure bool) {
	if n.Type == html.ElementNode && n.Data == "style" {
		s.styleSheet(n, unsure)
		return
	}
	unsure = unsure || n.Data == "noscript" || n.Data == "template" || n.Namespace != ""
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		s.sheets(c, unsure)
	}
}

func (s *sight) styleSheet(n *html.Node, unsure bool) {
	e := taggedOf(n)
	if media, ok := e.attrs["media"]; ok {
		matches, sure := mediaMatches(cssValue(cssTokens(media)))
		if !matches {
			return
		}
		unsure = unsure || !sure
	}
	_, titled := e.attrs["title"] // of several sheets with titles, one counts
	if kind := lowerASCII(e.attrs["type"]); kind != "" && kind != "text/css" || titled {
		unsure = true
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	s.sheet.add(b.String(), unsure)
	s.remote += cssRemote(b.String())
}

// inside reads what is in an element.
func (s *sight) inside(n *html.Node, e *seen) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			s.text(c.Data, e)
		case html.ElementNode:
			s.element(c, e)
		case html.CommentNode:
			s.comment(c.Data)
		}
	}
}

// text takes text as it stands in e.
func (s *sight) text(text string, e *seen) {
	if s.words += countWords(text); e.silent {
		return
	}
	l := &e.look
	why := l.hidden()
	if why == "" && s.tooMuch {
		why = "more styling than is judged"
	}
	if why == "" && (l.pre || strings.Trim(text, " \t\n\r\f") != "") {
		why = s.fill(text, l)
	}
	if why != "" {
		s.drop(why, text)
		return
	}
	s.out.write(text, l.pre)
}

// fill takes the room of a text, and says why it is not seen where it then stands.
func (s *sight) fill(text string, l *look) (why string) {
	s.sheet.work -= l.boxes
	s.tooMuch = s.tooMuch || s.sheet.work < 0
	width, word := l.widths(text)
	high := max(l.line.of(l.size), l.size)
	lines := 0.0
	if s.fresh {
		lines, s.line, s.fresh = 1, 0, false
	}
	if l.pre {
		lines += float64(strings.Count(text, "\n"))
		s.line = 0
		if first := strings.IndexFunc(text, isWord); first > 0 {
			s.gap += float64(strings.Count(text[:first], "\n")) * high
		}
	}
	s.line += width
	l.box.use(func(room float64) float64 { return max(lines, width/room) * high })
	if s.gap > farBeyond {
		return "position"
	}
	why, runsOut := l.box.fits(l, s.line, word)
	if runsOut {
		s.sheet.covers("text that does not fit its box")
	}
	if !strings.ContainsFunc(text, isWord) {
		s.gap += lines * high
	} else if why == "" {
		s.gap = 0
		s.seen++
	}
	return why
}

// breaks reports whether a line may end at r.
func breaks(r rune) bool { return strings.ContainsRune(" \t\n\r\f/?&-\u00ad\u200b", r) || r >= 0x2e80 }

// widths returns about how wide a text is in one line, and its longest word.
func (l *look) widths(text string) (width, word float64) {
	letter := l.size/2 + max(l.letters, 0)
	for _, w := range strings.FieldsFunc(text, breaks) {
		n := float64(utf8.RuneCountInString(w))
		width += (n + 1) * letter
		word = max(word, n*letter)
	}
	if l.pre { // white space counts
		width = 0
		for line := range strings.SplitSeq(text, "\n") {
			width = max(width, float64(utf8.RuneCountInString(line))*letter)
		}
	}
	return width, word
}

// drop notes that text was hidden, if it says anything.
func (s *sight) drop(why, text string) {
	if s.hidden == "" && strings.ContainsFunc(text, isWord) {
		s.hidden = why
	}
}

// comment drops a comment. Comments that Outlook alone reads hold markup in
// every newsletter: they hide something when that holds words.
func (s *sight) comment(text string) {
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

// element reads an element with what is inside.
func (s *sight) element(n *html.Node, parent *seen) {
	e := seen{tagged: taggedOf(n), look: parent.look, silent: parent.silent}
	s.tooMuch = !s.paint(&e, parent) || s.tooMuch
	if e.look.cover != "" {
		s.sheet.covers(e.look.cover)
	}
	s.count(&e)
	visible := !e.silent && e.look.hidden() == "" && !s.tooMuch
	switch {
	case n.Namespace != "":
	case n.Data == "style" || n.Data == "script" || n.Data == "title":
		e.silent = true
	case n.Data == "br":
		if parent.look.hidden() == "" {
			s.out.line(1)
		}
		s.fresh = true
		s.down(&parent.look, parent.look.line.of(parent.look.size))
	case n.Data == "hr":
		s.out.rule()
		s.down(&parent.look, normalSize+s.attrHigh(&e))
	case n.Data == "img":
		s.image(&e, visible)
	case n.Data == "meta" || n.Data == "link" || n.Data == "template":
		s.head(&e)
	}
	var closer func()
	if (visible || blocks[n.Data]) && !voidElements[n.Data] {
		closer = s.out.open(e.tagged)
	}
	s.descend(n, &e, parent)
	if closer != nil {
		closer()
	}
}

// descend reads what is inside of an element, and counts the room that it takes.
func (s *sight) descend(n *html.Node, e, parent *seen) {
	block := blocks[n.Data] || otherBlocks[n.Data]
	s.fresh = s.fresh || block
	s.down(&parent.look, e.look.spans.before)
	if neverSeen[n.Data] != "" { // it takes room all the same
		s.down(&parent.look, max(s.attrHigh(e), replacedHigh))
	}
	room, texts := 0.0, s.seen
	if parent.look.box != nil {
		room = parent.look.box.room
	}
	s.around = append(s.around, e.tagged)
	s.inside(n, e)
	s.around = s.around[:len(s.around)-1]
	if parent.look.box != nil {
		room -= parent.look.box.room
	}
	if s.seen == texts {
		s.gap += e.look.spans.height
	}
	if rest := e.look.spans.height - room; rest > 0 {
		parent.look.box.use(func(float64) float64 { return rest })
	}
	s.down(&parent.look, e.look.spans.after)
	s.fresh = s.fresh || block
	if b := e.look.box; b != parent.look.box && b.bounded && b.room < 0 && b.said {
		s.sheet.covers("text that does not fit its box")
	}
}

// attrHigh is the height that attributes give to what is no text, in pixels.
func (s *sight) attrHigh(e *seen) (px float64) {
	for _, name := range []string{"height", "size", "rows"} {
		if n, unit, ok := splitValue(strings.TrimSpace(e.attrs[name])); ok && unit != "%" {
			if name == "rows" {
				n *= normalSize
			}
			px = max(px, n)
		}
	}
	return px
}

// down counts a distance in which nothing stands.
func (s *sight) down(l *look, px float64) {
	s.gap += px
	l.box.use(func(float64) float64 { return px })
}

func taggedOf(n *html.Node) *tagged {
	e := &tagged{tag: n.Data, attrs: map[string]string{}}
	for _, a := range n.Attr {
		if _, had := e.attrs[a.Key]; !had { // browsers take the first
			e.attrs[a.Key] = a.Val
		}
	}
	e.id = e.attrs["id"]
	e.classes = htmlWords(e.attrs["class"])
	e.exact, e.loose = make(map[string]bool, len(e.classes)), make(map[string]bool, len(e.classes))
	for _, c := range e.classes {
		e.exact[c], e.loose[lowerASCII(c)] = true, true
	}
	return e
}

// replacedHigh is about the height of what stands for a frame, a drawing or a field, in pixels.
const replacedHigh = 20

// image writes what stands for an image: its description, where there is room for it, and
// for one in the mail itself where it is found.
func (s *sight) image(e *seen, visible bool) {
	_, high := e.sides()
	e.look.spans.height = 0
	if box := e.look.box; high >= 0 {
		s.down(&e.look, high)
	} else if box != nil {
		box.use(func(float64) float64 { return max(box.room, 0) + 1 }) // it may be as high as any
	}
	alt := strings.Join(strings.Fields(mail.NeutralLine(e.attrs["alt"])), " ")
	alt = cutText(alt, maxAlt)
	src := strings.TrimSpace(e.attrs["src"])
	id, inMail := strings.CutPrefix(lowerASCII(src), "cid:")
	shown := strings.HasPrefix(lowerASCII(src), "data:") // it is there, so nobody sees its description
	switch {
	case !visible || e.isPixel() || shown || !inMail && !e.holds(alt):
		if len(alt) > shortAlt {
			s.drop("the description of an image that is not seen", alt)
		}
	case inMail:
		s.out.write("!["+escapeLink(alt)+"](cid:"+cutText(escapeTarget(src[len(src)-len(id):]), maxAlt)+")", false)
	case alt != "":
		s.out.write("!["+escapeLink(alt)+"]", false)
	}
}

// maxAlt bounds the description of an image, and shortAlt is one of an icon, which is not
// missed, in characters.
const (
	maxAlt   = 300
	shortAlt = 40
)
