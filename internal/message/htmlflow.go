package message

import (
	"strings"
)

// flow collects text with white space collapsed as a browser does.
type flow struct {
	b     strings.Builder
	lines int  // line ends wanted before the next word
	space bool // a space is wanted before the next word
	item  bool // a list item begins with the next word
}

// write adds s; any run of white space in it is one space.
func (f *flow) write(s string) {
	for len(s) > 0 {
		i := strings.IndexAny(s, " \t\r\n\f")
		if i == 0 {
			s = strings.TrimLeft(s, " \t\r\n\f")
			f.space = true
			continue
		}
		word := s
		if i > 0 {
			word = s[:i]
		}
		s = s[len(word):]
		switch {
		case f.b.Len() == 0:
		case f.lines > 0:
			f.b.WriteString("\n\n"[:f.lines])
		case f.space:
			f.b.WriteByte(' ')
		}
		if f.item {
			f.b.WriteString("- ")
		}
		f.b.WriteString(word)
		f.lines, f.space, f.item = 0, false, false
	}
}

// line asks for at least n line ends before the next word.
func (f *flow) line(n int) { f.lines = max(f.lines, n) }
