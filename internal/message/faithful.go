package message

import (
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

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
