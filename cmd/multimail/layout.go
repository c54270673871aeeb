package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
)

// Columns of a page that goes to no terminal, and the fewest of one that does.
const (
	pageColumns = 100
	minColumns  = 20
)

// columns returns how wide a line to w may be.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 { // some say 0 for unknown
			return max(n, minColumns)
		}
	}
	return pageColumns
}

// printer prints a page of lines that it wraps itself: a line that the terminal
// wraps goes on in the first column, where it could pass for another. It keeps
// the first error.
type printer struct {
	w       io.Writer
	columns int
	err     error
}

func newPrinter(w io.Writer) *printer { return &printer{w: w, columns: columns(w)} }

// line prints one line of ours.
func (p *printer) line(format string, args ...any) {
	p.behind("", "  ", fmt.Sprintf(format, args...))
}

// field prints a named value, which goes on under itself.
func (p *printer) field(name, value string) {
	if name != "" {
		name += ":"
	}
	p.behind(fmt.Sprintf("%-12s", name), strings.Repeat(" ", 12), value)
}

// behind prints one line of any length behind first, and what does not fit
// behind next.
func (p *printer) behind(first, next, value string) {
	for _, row := range wrap(printable(value), p.columns-max(len(first), len(next))) {
		if p.err == nil {
			_, p.err = io.WriteString(p.w, strings.TrimRight(first+row, " ")+"\n")
		}
		first = next
	}
}

// bars stand before every line of a segment and say what it is.
var bars = map[string]string{
	string(message.SegmentText):     "| ",
	string(message.SegmentHTML):     "H ",
	string(message.SegmentHidden):   "? ",
	string(message.SegmentAttached): "= ",
	string(message.SegmentOutside):  "# ",
	string(message.SegmentReading):  "% ",
}

const legend = `Each line below begins with what it is: "| " text, "H " HTML, "? " hidden from the reader, ` +
	`"# " outside the parts, "% " as other programs read it, ` +
	`"> " once for each attached message around it, "= " fields of that message.`

// titles name the kinds in the line above a segment.
var titles = map[string]string{
	string(message.SegmentText):     "text",
	string(message.SegmentHTML):     "HTML as text",
	string(message.SegmentHidden):   "hidden text",
	string(message.SegmentAttached): "attached message",
	string(message.SegmentOutside):  "outside the parts",
	string(message.SegmentReading):  "read in another way",
}

// segments prints what a mail says, each line behind the bar of its kind, so
// that no text can pass for another kind or for a line of this page.
func (p *printer) segments(list []api.Segment) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("%s", legend)
	for _, s := range list {
		p.segment(s)
	}
	p.line("")
}

// maxShownDepth bounds the marks before a line; a mail cannot nest deeper than
// mail.MaxDepth.
const maxShownDepth = 8

func (p *printer) segment(s api.Segment) {
	title, bar := titles[s.Kind], bars[s.Kind]
	if title == "" { // of a newer daemon
		title, bar = s.Kind, "! "
	}
	if s.Part != "" {
		title += ", part " + s.Part
	}
	if s.Depth > 0 {
		title += fmt.Sprintf(", attached %d deep", s.Depth)
	}
	if s.Note != "" {
		title += ": " + s.Note
	}
	p.line("")
	p.behind("-- ", "   ", title)
	bar = strings.Repeat("> ", min(max(s.Depth, 0), maxShownDepth)) + bar
	for _, l := range splitLines(s.Text) {
		p.behind(bar, bar, l)
	}
}

// wrap cuts a line into rows of at most n cells, after a blank where there is
// one in the last third. It never cuts before a mark that takes no cell.
func wrap(line string, n int) []string {
	var rows []string
	n = max(n, 10)
	start, used, blank, left := 0, 0, -1, 0
	for i, r := range line {
		c := cells(r)
		if used+c > n && c > 0 {
			if blank > start && left >= n*2/3 {
				rows = append(rows, line[start:blank])
				start, used = blank, used-left
			} else {
				rows = append(rows, line[start:i])
				start, used = i, 0
			}
			blank = -1
		}
		if used += c; r == ' ' {
			blank, left = i+1, used
		}
	}
	return append(rows, line[start:])
}

// cells returns how many columns of a terminal r takes, the larger number where
// terminals differ: a row that is too short harms nobody.
func cells(r rune) int {
	switch {
	case r < 0x7f:
		return 1
	case r == 0xfe0f: // turns the rune before it into a wide picture
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.EastAsianAmbiguous:
		if !unicode.IsLetter(r) {
			return 2
		}
	}
	return 1
}
