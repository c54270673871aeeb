package mail

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

// renderMarkdown renders Markdown as HTML, raw HTML as it is written. A line end in the
// source is one in the result, since in a mail it is meant. Text whose markup
// would cost too much is shown as it is written.
func renderMarkdown(s string) (string, error) {
	if intricate(s) {
		return "<pre>" + html.EscapeString(s) + "</pre>\n", nil
	}
	md := goldmark.New(goldmark.WithParser(markdownParser()),
		goldmark.WithExtensions(extension.Linkify, extension.Table, extension.Strikethrough),
		goldmark.WithRendererOptions(render.WithHardWraps()))
	var b bytes.Buffer
	if err := md.Convert([]byte(s), &b); err != nil {
		return "", err
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

// Limits of what goes to the Markdown renderer. Without them 64 KiB of text
// take it minutes and become 700 MiB of table cells.
const (
	maxMarkdown = 64 << 10 // octets
	maxMarks    = 2000     // emphasis and brackets in one paragraph: pairing them is quadratic
	maxNesting  = 40       // lists and quotations opened by one line
	maxCells    = 50000    // every row of a table is as wide as its widest
	maxExpanded = 1 << 20  // octets that link references may grow to
)

// intricate reports whether s would cost the renderer more than its length
// lets expect. It errs towards yes, and code and tables of common size pass.
func intricate(s string) bool {
	if len(s) > maxMarkdown {
		return true
	}
	brackets := strings.Count(s, "[")
	var p paragraph
	cells := 0
	for rest := s; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if strings.TrimSpace(line) == "" {
			cells += p.lines * p.columns
			p = paragraph{}
			continue
		}
		p.add(line)
		if p.marks > maxMarks || nesting(line) > maxNesting ||
			cells+p.lines*p.columns > maxCells ||
			p.defines && p.octets*brackets > maxExpanded {
			return true
		}
	}
	return false
}

// paragraph counts what stands between two empty lines.
type paragraph struct {
	lines, columns, marks, octets int
	defines                       bool // may define the target of a link reference
}

func (p *paragraph) add(line string) {
	p.lines++
	p.octets += len(line)
	p.columns = max(p.columns, strings.Count(line, "|"))
	p.defines = p.defines || strings.Contains(line, "]:")
	for i := 0; i < len(line); i++ {
		if strings.IndexByte("*_~[", line[i]) >= 0 {
			p.marks++
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
