package mail

import (
	"bytes"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	render "github.com/yuin/goldmark/renderer/html"
)

// renderMarkdown renders Markdown as HTML, raw HTML left out. A line end in the
// source is one in the result, since in a mail it is meant. Text whose markup
// would cost too much is shown as it is written.
func renderMarkdown(s string) (string, error) {
	if intricate(s) {
		return "<pre>" + html.EscapeString(s) + "</pre>\n", nil
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM),
		goldmark.WithRendererOptions(render.WithHardWraps()))
	var b bytes.Buffer
	err := md.Convert([]byte(s), &b)
	return strings.ReplaceAll(b.String(), "<!-- raw HTML omitted -->", ""), err
}

// Limits of what goes to the Markdown renderer. Without them 64 KiB of text
// take it minutes and become 700 MiB of table cells.
const (
	maxMarkdown = 256 << 10 // octets
	maxMarks    = 2000      // emphasis and brackets in one paragraph: pairing them is quadratic
	maxNesting  = 40        // lists and quotations opened by one line
	maxCells    = 50000     // every row of a table is as wide as its widest
	maxExpanded = 1 << 20   // octets that link references may grow to
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
