package message

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

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
	written := c.source[e.at:c.at]
	switch e.mark {
	case "[":
		if !isWebTarget(e.href) {
			c.bad = true
		}
		c.take("](" + e.href + ")")
	default:
		if e.href != written && e.href != "mailto:"+written && (e.mark != "" || e.href != "http://"+written) ||
			!isWebTarget(e.href) {
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
