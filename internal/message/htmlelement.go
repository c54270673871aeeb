package message

import (
	"strings"
)

// element is an open element, with what it inherits.
type element struct {
	name    string
	note    string // why what is inside is not certainly shown, "" if it is
	classed bool   // it or one around it has a class or an id
	size    float64
	fg, bg  colour
	filled  bool // a background was set
	line    float64
	rows    bool // a table that has rows
}

// normalSize is the size of text in pixels where nothing sets it.
const normalSize = 16

// shaded reports whether the colours of e are not dark on light.
func (e element) shaded() bool { return e.filled && !e.bg.light() || !e.fg.dark() }

// certainElements are shown as running text by every program.
var certainElements = set("html head body meta link base style title " +
	"p div span br wbr hr a b i u em strong small big tt code pre blockquote ul ol li dl dt dd h1 h2 h3 h4 h5 h6 " +
	"table caption colgroup col thead tbody tfoot tr td th img font center section article header footer main nav " +
	"address figure figcaption abbr cite q kbd samp var o:p")

// otherElements are read alike by every program, and are shown by some alone,
// in another order, or with another meaning. What is neither among these nor
// among those above may change how the rest of the page is read.
var otherElements = set("del s strike ins sup sub bdo bdi mark canvas audio video dialog details summary " +
	"object embed map area picture source track param ruby rb rt rp label fieldset " +
	"legend time dfn data button textarea input iframe script progress meter output " +
	"marquee slot")

func set(names string) map[string]bool {
	out := map[string]bool{}
	for _, n := range strings.Fields(names) {
		out[n] = true
	}
	return out
}

// impliedEnds are the elements that end with the block around them, and
// rubyEnds those that end with a ruby.
var (
	impliedEnds = set("p li dt dd tr td th thead tbody tfoot colgroup caption")
	rubyEnds    = set("rb rt rp")
)

// blocks are the elements whose end tag ends those. Any other end tag must
// meet its own element: browsers ignore it when a block is in between.
var blocks = set("p div ul ol li dl dt dd pre blockquote center section article header footer main " +
	"nav address figure figcaption table caption colgroup thead tbody tfoot tr td th h1 " +
	"h2 h3 h4 h5 h6")

// endedBy names the open elements that a start tag ends, when they are the
// innermost ones. A cell outside of a table is no cell, so it ends no p.
var endedBy = func() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, n := range strings.Fields(
		"p div ul ol dl h1 h2 h3 h4 h5 h6 pre blockquote center section article header footer " +
			"main nav address figure figcaption hr") { // but no table: in old pages it stands in p
		out[n] = set("p")
	}
	cell, row, group := set("td th"), set("tr td th"), set("tbody thead tfoot colgroup tr td th")
	item, term := set("li p"), set("dt dd p")
	for n, ends := range map[string]map[string]bool{"li": item, "dt": term, "dd": term, "td": cell, "th": cell, "tr": row,
		"tbody": group, "thead": group, "tfoot": group, "rt": rubyEnds, "rp": rubyEnds} {
		out[n] = ends
	}
	return out
}()

// tableParts are those of a table that no text stands in.
var tableParts = set("tbody thead tfoot tr colgroup caption td th col")

// between are the elements of a table whose own text browsers move before it.
var between = set("table tbody thead tfoot tr colgroup")

// inlines are the elements that stand in a line.
var inlines = set("span a b i u em strong small big tt code font abbr cite q kbd samp var img")

func onlyASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// moved says why browsers show an element elsewhere than it stands, or "".
func (p *page) moved(name string) string {
	n := len(p.open)
	if n == 0 {
		return ""
	}
	top := &p.open[n-1]
	switch {
	case between[top.name] && parents[name] == nil && name != "style" && name != "script":
		return "element " + cutText(name, maxNoted) + " between the cells of a table"
	case top.name != "table":
	case name == "caption", name == "tfoot", name == "thead" && top.rows:
		return "element " + name + ", which is shown elsewhere"
	case name != "colgroup" && name != "thead":
		top.rows = true
	}
	return ""
}

// top returns the innermost open element.
func (p *page) top() element {
	if n := len(p.open); n > 0 {
		return p.open[n-1]
	}
	return p.body
}

// parents are the elements that a part of a table stands in. Elsewhere browsers
// ignore it, or move it, and other programs do not.
var parents = map[string]map[string]bool{
	"td": set("tr tbody thead tfoot table"), "th": set("tr tbody thead tfoot table"), "tr": set("tbody thead tfoot table"),
	"tbody": set("table"), "thead": set("table"), "tfoot": set("table"), "caption": set("table"), "colgroup": set("table"),
	"col": set("table colgroup"),
}

// closeImplied ends what a start tag ends.
func (p *page) closeImplied(name string) {
	for ends, n := endedBy[name], len(p.open); n > 0 && ends[p.open[n-1].name]; n-- {
		p.open = p.open[:n-1]
	}
	if items[name] && !lists[p.top().name] { // it ends an item further out, and what is in between
		p.doubtful = len(p.open)
	}
}

var (
	items = set("li dt dd")
	lists = set("ul ol dl")
)

// maxImplied bounds how many elements one end tag may end.
const maxImplied = 8

// close ends an element if it and what ends with it are the innermost ones. Any
// other end tag is ignored: then what was open stays so, with its notes. Since
// browsers may have ended some of that, it ends nothing but itself from then on.
func (p *page) close(name string) {
	var ends map[string]bool
	if blocks[name] {
		ends = impliedEnds
	} else if name == "ruby" {
		ends = rubyEnds
	}
	last := len(p.open) - 1
	p.doubtful = min(p.doubtful, last+1)
	for i := last; i >= 0 && i > last-maxImplied; i-- {
		if at := p.open[i].name; at == name && (i >= p.doubtful || i == last) {
			p.open = p.open[:i]
			return
		} else if !ends[at] {
			break
		}
	}
	p.doubtful = last + 1
}
