package message

import (
	"strconv"
	"strings"

	"github.com/multimail/multimail/mail"
)

// markdown writes text with headings, lists, quotations and links as Markdown,
// and tables as rows of cells with bars between. White space is collapsed as
// browsers do.
type markdown struct {
	b       []byte
	lines   int    // line ends wanted before the next word
	space   bool   // a blank is wanted before the next word
	cell    bool   // a cell of a row begins with the next word
	inRow   bool   // the line that is written is one of a row
	before  string // what the next word begins with: the mark of an item, of a heading
	quotes  int    // around the next word
	quoted  int    // around the last word
	lists   []int  // the number of the last item, -1 for a list without numbers
	heading int
	links   int // open links: line ends in them are blanks
}

// maxIndent bounds how deep quotations and lists are written.
const maxIndent = 10

// write adds text.
func (m *markdown) write(s string, pre bool) {
	if pre {
		for i, line := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
			if i > 0 {
				m.lines = min(m.lines+1, 2)
				m.space = false
			}
			if strings.TrimSpace(line) != "" {
				m.word(line)
			}
		}
		return
	}
	for len(s) > 0 {
		i := strings.IndexAny(s, " \t\r\n\f")
		if i == 0 {
			s = strings.TrimLeft(s, " \t\r\n\f")
			m.space = true
			continue
		}
		word := s
		if i > 0 {
			word = s[:i]
		}
		s = s[len(word):]
		m.word(word)
	}
}

// word adds one word, and before it what is wanted there.
func (m *markdown) word(word string) {
	switch {
	case len(m.b) == 0:
		m.indent()
	case m.lines > 0:
		m.inRow = false
		m.b = append(m.b, '\n')
		if m.lines > 1 {
			m.b = append(m.b, strings.TrimRight(strings.Repeat("> ", min(m.quotes, m.quoted)), " ")+"\n"...)
		}
		m.indent()
	case m.cell && m.inRow:
		m.b = append(m.b, " | "...)
	case m.space:
		m.b = append(m.b, ' ')
	}
	if m.cell {
		m.inRow = true
	}
	m.b = append(m.b, m.before...)
	m.b = append(m.b, word...)
	m.lines, m.space, m.cell, m.before = 0, false, false, ""
	m.quoted = m.quotes
}

// indent begins a line.
func (m *markdown) indent() {
	m.b = append(m.b, strings.Repeat("> ", m.quotes)...)
	if n := len(m.lists); n > 0 {
		depth := n
		if strings.HasPrefix(m.before, "- ") || strings.Contains(m.before, ". ") {
			depth--
		}
		m.b = append(m.b, strings.Repeat("  ", min(depth, maxIndent))...)
	}
}

// line asks for at least n line ends before the next word.
func (m *markdown) line(n int) {
	if m.links > 0 || m.heading > 0 {
		m.space = true
		return
	}
	m.lines = max(m.lines, n)
}

// rule writes a thematic break.
func (m *markdown) rule() {
	if m.links > 0 || m.heading > 0 || len(m.b) == 0 {
		return
	}
	m.line(2)
	m.word("---")
	m.line(2)
}

// open begins an element and returns what ends it.
func (m *markdown) open(e *tagged) (end func()) {
	switch e.tag {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		return m.openHeading(int(e.tag[1] - '0'))
	case "p", "pre", "table", "address", "dl", "figure":
		m.line(2)
		return func() { m.line(2) }
	case "blockquote":
		m.line(2)
		if m.quotes >= maxIndent || m.links > 0 {
			return nil
		}
		m.quotes++
		return func() { m.line(2); m.quotes-- }
	case "ul", "ol", "menu", "dir":
		return m.openList(e)
	case "li":
		m.line(1)
		if n := len(m.lists); n > 0 && m.lists[n-1] >= 0 {
			m.lists[n-1]++
			m.before = strconv.Itoa(m.lists[n-1]) + ". "
		} else {
			m.before = "- "
		}
		return func() { m.before = ""; m.line(1) }
	case "tr":
		m.line(1)
		return func() { m.line(1) }
	case "td", "th":
		m.space, m.cell = true, m.links == 0 && m.heading == 0
		return func() { m.space = true }
	case "a":
		return m.openLink(e.attrs["href"])
	case "s", "strike", "del":
		if m.links > 0 {
			return nil
		}
		return m.around("~~")
	case "div", "section", "article", "header", "footer", "dt", "dd", "form", "fieldset", "center", "body", "option",
		"nav", "main", "figcaption", "caption", "summary", "details":
		m.line(1)
		return func() { m.line(1) }
	}
	return nil
}

// around puts a mark before and behind words, if there are any.
func (m *markdown) around(mark string) func() {
	m.before += mark
	at := len(m.b)
	return func() {
		if len(m.b) == at {
			m.before = strings.TrimSuffix(m.before, mark)
			return
		}
		m.b = append(m.b, mark...)
	}
}

func (m *markdown) openHeading(level int) func() {
	if m.links > 0 || m.heading > 0 {
		return nil
	}
	m.line(2)
	m.heading = level
	m.before += strings.Repeat("#", level) + " "
	return func() {
		if m.heading = 0; strings.HasSuffix(m.before, "# ") {
			m.before = "" // no word came
		}
		m.line(2)
	}
}

func (m *markdown) openList(e *tagged) func() {
	n := 2
	if len(m.lists) > 0 {
		n = 1
	}
	m.line(n)
	if len(m.lists) >= maxSeen {
		return nil
	}
	number := -1
	if e.tag == "ol" {
		number = 0
		if start, err := strconv.Atoi(strings.TrimSpace(e.attrs["start"])); err == nil && start > 0 && start < 1e6 {
			number = start - 1
		}
	}
	m.lists = append(m.lists, number)
	return func() {
		if len(m.lists) > 0 {
			m.lists = m.lists[:len(m.lists)-1]
		}
		m.line(n)
	}
}

// linked are the schemes that a person would follow. A link of any other kind is
// written as its text.
var linked = []string{"http://", "https://", "mailto:", "tel:"}

// maxTarget is how many octets of a link are written.
const maxTarget = 4096

func (m *markdown) openLink(href string) func() {
	href = strings.TrimSpace(href)
	plain := true
	for _, scheme := range linked {
		if len(href) > len(scheme) && strings.EqualFold(href[:len(scheme)], scheme) {
			plain = false
		}
	}
	if plain || m.links > 0 {
		return nil
	}
	m.links++
	m.before += "["
	at := len(m.b)
	return func() {
		m.links--
		if len(m.b) == at {
			m.before = strings.TrimSuffix(m.before, "[")
			return
		}
		target := escapeTarget(href)
		if len(target) > maxTarget {
			target = "link of " + strconv.Itoa(len(href)) + " octets, left out"
		}
		m.closeLink(at, target)
	}
}

// closeLink writes the target behind the text that stands from at on. A link
// whose text is its target is written once.
func (m *markdown) closeLink(at int, target string) {
	text := string(m.b[at:])
	mark := strings.IndexByte(text, '[')
	if mark < 0 {
		return
	}
	lead, text := text[:mark], text[mark+1:]
	m.b = append(m.b[:at], lead...)
	bare := strings.TrimPrefix(target, "mailto:")
	if text == target || text == bare || text == strings.TrimSuffix(target, "/") {
		m.b = append(m.b, text...)
		return
	}
	m.b = append(m.b, "["+escapeLink(text)+"]("+target+")"...)
}

// escapeLink keeps brackets in the text of a link from ending it.
func escapeLink(s string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`).Replace(s)
}

// escapeTarget writes a link's target so that nothing in it ends it.
func escapeTarget(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '\n' || c == '\r' || c == '\t': // browsers leave them out
		case c <= ' ' || c == '(' || c == ')' || c == '<' || c == '>' || c == '\\' || c == 0x7f:
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		default:
			b.WriteByte(c)
		}
	}
	return mail.NeutralLine(b.String())
}
