package message

import (
	"strings"

	"golang.org/x/net/html"
)

// What the tree of a page may cost, in elements that are built.
const (
	treeSlack  = 64 << 10
	treeFactor = 4
	maxTree    = 2 << 20
	maxSeen    = 256 // levels at which a page is cut
	maxDepth   = 512 // of the parser; what is deeper is an error for it
)

// tree builds the tree of a page as browsers do. It is nil when that costs too much. words
// counts the characters of words in the text; unclosed is a tag without its end.
func (s *sight) tree(source string) (root *html.Node, words int, unclosed string) {
	c := &treeCost{limit: min(treeSlack+treeFactor*len(source), maxTree)}
	eachToken(source, c)
	if c.cost > c.limit {
		return nil, c.words, c.left
	}
	root, err := html.ParseWithOptions(strings.NewReader(source), html.ParseOptionEnableScripting(false))
	if err != nil { // it is nested deeper than the parser goes
		s.deep = true
		s.drop("deeper nesting than is judged", "x")
		c.words = 0
		root, err = html.ParseWithOptions(strings.NewReader(shallow(source)), html.ParseOptionEnableScripting(false))
	}
	if err != nil {
		return nil, c.words, c.left
	}
	return root, c.words, c.left
}

// shallow cuts a page where its elements are nested deeply.
func shallow(source string) string {
	z := html.NewTokenizer(strings.NewReader(source))
	var open []string
	for read := 0; ; read += len(z.Raw()) {
		kind := z.Next()
		if kind == html.ErrorToken || len(open) > maxSeen {
			return source[:read]
		}
		raw, _ := z.TagName()
		name := string(raw)
		switch {
		case kind == html.StartTagToken && !voidElements[name]:
			if n := len(open); n > 0 && endedBy[name][open[n-1]] {
				open = open[:n-1]
			}
			open = append(open, name)
		case kind == html.EndTagToken:
			if at := lastIndex(open, name); at >= 0 {
				open = open[:at]
			}
		}
	}
}

func lastIndex(list []string, name string) int {
	for at := len(list) - 1; at >= 0; at-- {
		if list[at] == name {
			return at
		}
	}
	return -1
}

// treeCost bounds how many elements the tree of a page has: where formatting is not closed
// as it was opened, browsers open it again in every block that follows (HTML, section
// 13.2.4.3), so that a tree can be larger than its page by far.
type treeCost struct {
	limit  int
	cost   int
	words  int
	left   string   // what has no end
	open   []string // the elements that are open if the page is well formed
	again  int      // formatting elements that may be opened again for good
	inside int      // formatting elements in open
}

// formatting are the elements that browsers open again.
var formatting = set("a b big code em font i nobr s small strike strong tt u")

func (c *treeCost) doctype(string)       {}
func (c *treeCost) comment(string, bool) { c.cost++ }
func (c *treeCost) unclosed(s string)    { c.left = s }

func (c *treeCost) text(s string) {
	c.words += countWords(s)
	c.cost += 1 + min(c.again+c.inside, maxDepth)
}

func (c *treeCost) start(t html.Token) {
	c.cost += 1 + min(c.again+c.inside, maxDepth)
	name := t.Data
	if voidElements[name] {
		return
	}
	if n := len(c.open); n > 0 && endedBy[name][c.open[n-1]] {
		c.open = c.open[:n-1]
	} else if n > 0 && endedBy[name] != nil {
		c.settle(name)
	}
	c.open = append(c.open, name)
	if formatting[name] {
		c.inside++
	}
}

// settle counts what may stay open when a start tag ends elements further out.
func (c *treeCost) settle(name string) {
	for at := len(c.open) - 1; at >= 0 && at > len(c.open)-settled; at-- {
		if endedBy[name][c.open[at]] {
			c.again += c.inside
			c.open, c.inside = nil, 0
			return
		}
	}
}

// settled is how many elements out an end may be implied; further out all counts as open.
const settled = 64

func (c *treeCost) end(name string) {
	c.cost++
	n := len(c.open)
	switch {
	case n > 0 && c.open[n-1] == name:
		c.open = c.open[:n-1]
		if formatting[name] {
			c.inside--
		}
	case n > 1 && impliedEnds[c.open[n-1]] && c.open[n-2] == name:
		c.open = c.open[:n-2]
		if formatting[name] {
			c.inside--
		}
	default:
		c.again += c.inside
		c.open, c.inside = nil, 0
	}
}

// countWords counts the characters of words.
func countWords(s string) (n int) {
	for _, r := range s {
		if isWord(r) {
			n++
		}
	}
	return n
}
