package message

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// faithful reports whether page, rendered from the Markdown source, says what is
// written there: each character of source is either the next one of the page,
// or belongs to the markup of the tag that stands there, and no word is joined
// or parted. Only the markup below may vanish. It is one pass over both.
func faithful(source, page string) bool {
	c := &cursor{source: source, sourceGap: true, begins: true}
	z := html.NewTokenizer(strings.NewReader(page))
	for !c.bad {
		switch z.Next() {
		case html.ErrorToken:
			c.skip()
			return !c.bad && c.at == len(source) && len(c.open) == 0
		case html.TextToken:
			c.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			c.start(z.Token())
		case html.EndTagToken:
			c.end(z.Token().Data)
		default:
			return false
		}
	}
	return false
}

// cursor is a place in the source, and what is open there.
type cursor struct {
	source string
	at     int
	bad    bool

	pageGap, sourceGap bool // since the last character
	opened, closed     bool // markup ended at the cursor, with no gap since

	shown  int  // characters
	quotes int  // quotations open
	used   int  // marks of quotations taken in this line
	begins bool // nothing but blanks and such marks stands before in this line
	first  bool // no cell of this row was seen
	open   []openTag
}

// openTag is a tag that is open.
type openTag struct {
	name, mark string // the mark that ends it; for a link, the one that began it
	href       string
	at, shown  int // where it began
	items      int
}

func (c *cursor) rest() string      { return c.source[c.at:] }
func (c *cursor) has(s string) bool { return strings.HasPrefix(c.rest(), s) }
func (c *cursor) isBlank() bool {
	return c.at == len(c.source) || strings.IndexByte(" \t\n", c.source[c.at]) >= 0
}
func (c *cursor) inside(n string) bool { return len(c.open) > 0 && c.open[len(c.open)-1].name == n }

// take moves over a mark, which must stand at the cursor.
func (c *cursor) take(mark string) {
	if !c.has(mark) {
		c.bad = true
		return
	}
	c.at += len(mark)
}

// run is the length of the run of b at the cursor.
func (c *cursor) run(b byte) int {
	n := 0
	for c.at+n < len(c.source) && c.source[c.at+n] == b {
		n++
	}
	return n
}

// skip moves over blanks and, where a line of an open quotation begins, its mark.
func (c *cursor) skip() {
	for ; c.at < len(c.source); c.at++ {
		switch b := c.source[c.at]; {
		case b == '\n':
			c.used, c.begins = 0, true
		case b == ' ' || b == '\t':
		case b == '>' && c.used < c.quotes && c.begins:
			c.used++
			if c.numberFollows(1, signs+">-+#") {
				c.bad = true // "more than"
			}
		default:
			return
		}
		c.sourceGap, c.opened, c.closed = true, false, false
	}
}

// signs may stand before the first word of a line.
const signs = " \t*_`[](){}\"'"

// numberFollows reports whether the first word after n octets and signs is no
// plain word: what stands before it may then be a sign of a number.
func (c *cursor) numberFollows(n int, signs string) bool {
	s := strings.TrimLeft(c.source[c.at+n:], signs)
	r, _ := utf8.DecodeRuneInString(s)
	if s == "" || r == '\n' {
		return !strings.Contains(signs, ">") // the number may stand in the next line of the item
	}
	return !unicode.IsLetter(r) || codeAndNumber(s)
}

// codeAndNumber reports whether s begins with at most four letters and a number:
// they may name a currency.
func codeAndNumber(s string) bool {
	n := 0
	for i, r := range s {
		if n++; n > 5 {
			return false
		}
		if !unicode.IsLetter(r) {
			s = strings.TrimLeft(s[i:], ". \u00a0")
			return s != "" && isDigit(s[0])
		}
	}
	return false
}

// Signs that may touch the outside of markup. Between others it would join words.
const (
	beforeMarkup = "([{\"'"
	afterMarkup  = ".,;:!?)]}\"'"
)

func (c *cursor) text(s string) {
	for i := 0; i < len(s) && !c.bad; i++ {
		if strings.IndexByte(" \t\n", s[i]) >= 0 {
			c.pageGap = true
			continue
		}
		c.skip()
		if c.closed && !endsMarkup(s[i:]) ||
			c.shown > 0 && c.pageGap != c.sourceGap || c.at == len(c.source) || c.source[c.at] != s[i] {
			c.bad = true
			return
		}
		c.at++
		c.shown++
		c.begins = false
		c.pageGap, c.sourceGap, c.opened, c.closed = false, false, false, false
	}
}

// endsMarkup reports whether s may follow markup without a blank: "." in "**5**.5" may not.
func endsMarkup(s string) bool {
	return strings.IndexByte(afterMarkup, s[0]) >= 0 &&
		(len(s) == 1 || strings.IndexByte(afterMarkup+" \t\n", s[1]) >= 0)
}

// inline begins markup inside a line.
func (c *cursor) inline() {
	c.skip()
	if c.opened || c.at == 0 {
		return
	}
	if c.closed || !c.sourceGap && strings.IndexByte(beforeMarkup, c.source[c.at-1]) < 0 {
		c.bad = true
	}
}

func (c *cursor) push(e openTag) {
	e.shown = c.shown
	c.open = append(c.open, e)
}

// block begins a block whose mark was taken.
func (c *cursor) block() { c.pageGap, c.sourceGap, c.opened, c.closed = true, true, false, false }

func (c *cursor) start(t html.Token) {
	e := openTag{name: t.Data}
	switch t.Data {
	case "a":
		c.startLink(t, &e)
	case "th", "td":
		if len(t.Attr) > 0 && !aligns(t.Attr) {
			c.bad = true
		}
		c.startCell()
	default:
		if len(t.Attr) > 0 { // the language of code, the first number of a list
			c.bad = true
			return
		}
		c.startPlain(&e)
	}
	if e.name != "" {
		c.push(e)
	}
}

func (c *cursor) startPlain(e *openTag) {
	switch e.name {
	case "p", "ul", "ol", "table", "thead", "tbody", "pre":
		c.pageGap = true
	case "br":
		c.pageGap, e.name = true, ""
	case "hr":
		c.rule()
		e.name = ""
	case "tr":
		c.skip()
		c.block()
		c.first = true
	case "em", "strong":
		c.startEmphasis(e)
	case "code":
		c.startCode(e)
	case "blockquote":
		c.skip()
		c.take(">")
		if c.numberFollows(0, signs+">-+#") {
			c.bad = true
		}
		c.quotes++
		c.used++
		c.block()
	case "li":
		c.startItem()
	case "h1", "h2", "h3", "h4", "h5", "h6":
		c.startHeading(int(e.name[1] - '0'))
	default:
		c.bad = true
	}
}

func (c *cursor) startHeading(level int) {
	c.skip()
	c.take(strings.Repeat("#", level))
	if !c.isBlank() || level == 1 && c.numberFollows(0, signs) { // "# 5" may be a number
		c.bad = true
	}
	c.block()
}

// startItem takes the mark of a list item: the number that is shown, or a sign
// that no number follows.
func (c *cursor) startItem() {
	c.skip()
	switch {
	case c.inside("ol"):
		list := &c.open[len(c.open)-1]
		list.items++
		c.take(strconv.Itoa(list.items) + ".")
	case c.inside("ul") && (c.has("-") || c.has("*") || c.has("+")):
		if c.numberFollows(1, signs) {
			c.bad = true
		}
		c.at++
	default:
		c.bad = true
	}
	if !c.isBlank() {
		c.bad = true
	}
	c.begins = false
	c.block()
}

func (c *cursor) startEmphasis(e *openTag) {
	c.inline()
	e.mark = "*"
	if c.has("_") {
		e.mark = "_"
	}
	if e.name == "strong" {
		e.mark += e.mark
	}
	before := strings.TrimRight(c.source[:c.at], " \t\n")
	c.take(e.mark)
	c.opened = true
	if before != "" && isDigit(before[len(before)-1]) && c.at < len(c.source) && isDigit(c.source[c.at]) {
		c.bad = true // "2 *3* 4" may be a product
	}
}

// startCode takes the backticks of a code span, or the fence of a block, if any.
func (c *cursor) startCode(e *openTag) {
	if c.inside("pre") {
		c.skip()
		for _, b := range []byte("`~") {
			if n := c.run(b); n >= 3 {
				e.mark = c.rest()[:n]
				c.at += n
				if !c.isBlank() {
					c.bad = true
				}
			}
		}
		c.block()
		return
	}
	c.inline()
	e.mark = strings.Repeat("`", c.run('`'))
	if e.mark == "" {
		c.bad = true
	}
	c.take(e.mark)
	c.opened = true
}

func (c *cursor) startLink(t html.Token, e *openTag) {
	if len(t.Attr) != 1 || t.Attr[0].Key != "href" {
		c.bad = true
		return
	}
	e.href = t.Attr[0].Val
	c.skip()
	if c.has("[") || c.has("<") {
		c.inline()
		e.mark = c.rest()[:1]
		c.at++
		c.opened = true
	}
	e.at = c.at
}

// aligns reports whether these attributes are those of an aligned cell.
func aligns(attrs []html.Attribute) bool {
	a := attrs[0]
	return len(attrs) == 1 && a.Key == "style" &&
		(a.Val == "text-align:left" || a.Val == "text-align:right" || a.Val == "text-align:center")
}

// startCell takes the bar before a cell, which only the first may lack.
func (c *cursor) startCell() {
	c.skip()
	if c.has("|") {
		c.at++
	} else if !c.first {
		c.bad = true
	}
	c.first = false
	c.block()
}

func (c *cursor) end(name string) {
	if !c.inside(name) {
		c.bad = true
		return
	}
	e := c.open[len(c.open)-1]
	c.open = c.open[:len(c.open)-1]
	if name != "th" && name != "td" && e.shown == c.shown {
		c.bad = true // nothing is left of it
		return
	}
	switch name {
	case "em", "strong":
		c.take(e.mark)
		c.opened, c.closed = false, true
	case "code":
		c.endCode(e)
	case "a":
		c.endLink(e)
	case "tr":
		c.endRow()
	case "thead":
		c.delimiters()
	case "blockquote":
		c.endQuotation()
	default:
		c.pageGap = true
	}
}

func (c *cursor) endCode(e openTag) {
	if c.inside("pre") {
		if e.mark == "" {
			return
		}
		c.skip()
		n := c.run(e.mark[0])
		line, _, _ := strings.Cut(c.rest()[n:], "\n")
		if n < len(e.mark) || strings.Trim(line, " \t") != "" {
			c.bad = true
		}
		c.at += n
		c.block()
		return
	}
	c.skip()
	if c.run('`') != len(e.mark) {
		c.bad = true
		return
	}
	c.at += len(e.mark)
	c.opened, c.closed = false, true
}

// endLink takes what ends a link; its target must stand in the source as it is
// in the page.
func (c *cursor) endLink(e openTag) {
	said := c.source[e.at:c.at]
	switch e.mark {
	case "[":
		if !isWebTarget(e.href) {
			c.bad = true
		}
		c.take("](" + e.href + ")")
	default:
		if e.href != said && e.href != "mailto:"+said && (e.mark != "" || e.href != "http://"+said) || !isWebTarget(e.href) {
			c.bad = true
		}
		if e.mark != "" {
			c.take(">")
		}
	}
	c.opened, c.closed = false, true
}

func isWebTarget(href string) bool {
	for _, scheme := range []string{"http://", "https://", "mailto:"} {
		if strings.HasPrefix(href, scheme) {
			return len(href) > len(scheme)
		}
	}
	return false
}

// endRow takes the last bar; nothing else may follow in the line.
func (c *cursor) endRow() {
	for c.has(" ") || c.has("\t") {
		c.at++
	}
	if c.has("|") {
		c.at++
	}
	for c.has(" ") || c.has("\t") {
		c.at++
	}
	if c.at < len(c.source) && c.source[c.at] != '\n' {
		c.bad = true
	}
	c.block()
}

// delimiters takes the line between the head of a table and its body.
func (c *cursor) delimiters() {
	c.skip()
	line, _, _ := strings.Cut(c.rest(), "\n")
	if !strings.Contains(line, "-") || strings.Trim(line, "|:- \t") != "" {
		c.bad = true
	}
	c.at += len(line)
	c.block()
}

// endQuotation takes lines that consist of its marks.
func (c *cursor) endQuotation() {
	for {
		i := 0
		for c.at+i < len(c.source) && strings.IndexByte(" \t", c.source[c.at+i]) >= 0 {
			i++
		}
		if c.at+i == len(c.source) || c.source[c.at+i] != '\n' {
			break
		}
		line, _, _ := strings.Cut(c.source[c.at+i+1:], "\n")
		if strings.Trim(line, "> \t") != "" || strings.Count(line, ">") != c.quotes {
			break
		}
		c.at += i + 1 + len(line)
	}
	c.quotes--
	c.used = min(c.used, c.quotes)
	c.block()
}

// rule takes the line that is shown as a rule.
func (c *cursor) rule() {
	c.skip()
	line, _, _ := strings.Cut(c.rest(), "\n")
	line = strings.TrimRight(line, " \t")
	if line != "***" && line != "___" && (len(line) < 3 || strings.Trim(line, "-") != "") {
		c.bad = true
	}
	c.at += len(line)
	c.block()
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
