package message

import (
	"bytes"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	render "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// renderMarkdown renders Markdown as HTML. A line end in the source is one in
// the result, since in a mail it is meant. Text that would not say the same
// when it is rendered, or whose markup would cost too much, is shown as it is
// written.
func renderMarkdown(s string) (string, error) {
	written := "<pre>" + html.EscapeString(s) + "</pre>\n"
	if intricate(s) {
		return written, nil
	}
	md := goldmark.New(goldmark.WithParser(markdownParser()),
		goldmark.WithExtensions(extension.Linkify, extension.Table),
		goldmark.WithRendererOptions(render.WithHardWraps()))
	var b bytes.Buffer
	if err := md.Convert([]byte(s), &b); err != nil {
		return "", err
	}
	if !faithful(s, b.String()) {
		return written, nil
	}
	return b.String(), nil
}

// markdownParser knows the markup that adds no word and takes none away. It
// leaves out raw HTML, link reference definitions, underlined headings and
// task lists: their text is shown as it is written.
func markdownParser() parser.Parser {
	at := func(v any, priority int) util.PrioritizedValue { return util.Prioritized(v, priority) }
	return parser.NewParser(
		parser.WithBlockParsers(at(parser.NewThematicBreakParser(), 200), at(parser.NewListParser(), 300),
			at(parser.NewListItemParser(), 400), at(parser.NewCodeBlockParser(), 500),
			at(parser.NewATXHeadingParser(), 600), at(parser.NewFencedCodeBlockParser(), 700),
			at(parser.NewBlockquoteParser(), 800), at(parser.NewParagraphParser(), 1000)),
		parser.WithInlineParsers(at(parser.NewCodeSpanParser(), 100), at(parser.NewLinkParser(), 200),
			at(parser.NewAutoLinkParser(), 300), at(parser.NewEmphasisParser(), 500)))
}

// Limits of what goes to the Markdown renderer. Its work may grow with the
// square of each of them, and with the octets alone for the rest.
const (
	maxMarkdown = 64 << 10 // octets
	maxMarks    = 4000     // marks of a body, see intricate
	maxPairs    = 2000     // marks of one paragraph that the renderer pairs
	maxNesting  = 20       // lists and quotations opened by one line
	maxCells    = 50000    // every row of a table is as wide as its widest
)

// intricate reports whether s has more structure than the limits allow. A mark
// is an octet that may be markup inside a line, the mark of a list or quotation
// that begins a line, a tab, and an empty line.
func intricate(s string) bool {
	if len(s) > maxMarkdown {
		return true
	}
	var p paragraph
	cells, marks := 0, 0
	for rest := s; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		deep := nesting(line)
		marks += deep
		for i := 0; i < len(line); i++ {
			if strings.IndexByte("*_`[]!<&\\|\t", line[i]) >= 0 {
				marks++
			}
		}
		if strings.TrimSpace(line) == "" {
			marks++
			cells += p.lines * p.columns
			p = paragraph{}
		} else {
			p.add(line)
		}
		if marks > maxMarks || p.pairs > maxPairs || deep > maxNesting || cells+p.lines*p.columns > maxCells {
			return true
		}
	}
	return false
}

// paragraph counts what stands between two empty lines.
type paragraph struct{ lines, columns, pairs int }

func (p *paragraph) add(line string) {
	p.lines++
	p.columns = max(p.columns, strings.Count(line, "|"))
	for i := 0; i < len(line); i++ {
		if strings.IndexByte("*_`[<", line[i]) >= 0 {
			p.pairs++
		}
	}
}

// nesting counts the marks of lists and quotations at the start of a line.
func nesting(line string) int {
	n := 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '>':
			n++
		case c == ' ' || c == '\t':
			if i > 0 && strings.IndexByte("-+*.)", line[i-1]) >= 0 {
				n++
			}
		case strings.IndexByte("-+*.)0123456789", c) < 0:
			return n
		}
	}
	return n
}
