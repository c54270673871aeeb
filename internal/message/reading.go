package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// Reading is what an agent gets of a mail that it has received: what a person
// would read, and nothing that a person would not. Nothing is fetched. Every
// string is decoded and neutralised, and none of it is trusted: a stranger wrote it.
type Reading struct {
	Text           string // Markdown; attached messages are attachments
	Cut            bool   // there is more text than was asked for
	HiddenText     bool   // something that a person does not see was left out, or may be in the text
	TrackingPixels int    // remote images that are too small to be seen, or hidden
	RemoteContent  int    // what a mail program would have fetched, the pixels included
	Attachments    []AttachedFile
	Charset        Charset
	Warnings       []string // what could not be read as it stands: short sentences of ours
}

// Charset is that of the text, as the mail declares it and as it was read. Both
// are "" where there is no text, and Declared where nothing is declared.
type Charset struct{ Declared, Used string }

// ReadingLimits bounds a Reading.
type ReadingLimits struct {
	Text int // octets of text; zero: 256 KiB
}

const defaultText = 256 << 10

// reader gathers a Reading along the tree.
type reader struct {
	root  *entity
	left  *budget
	out   Reading
	limit int
	warn  remarks
	texts []string
	roles roles
	coded []codedFile
}

// NewReading reads a mail for an agent. It never fails; what it costs grows with
// the size of raw alone.
func NewReading(raw []byte, limits ReadingLimits) Reading {
	r := &reader{limit: limits.Text}
	if r.limit <= 0 {
		r.limit = defaultText
	}
	form := readable(raw, &r.warn)
	r.left = newBudget(len(form))
	root, over := parseMIME(form, r.left)
	r.root, r.roles = root, rolesIn(root)
	if over != nil {
		r.warn.add(over.Public)
	}
	root.warnings(&r.warn)
	r.add(string(root.stray), true)
	r.visit(root)
	r.out.Text = strings.Join(r.texts, "\n\n")
	if len(r.out.Text) > r.limit {
		r.out.Text, r.out.Cut = strings.ToValidUTF8(r.out.Text[:r.limit], ""), true
	}
	r.out.Attachments = r.files()
	r.out.Warnings = r.warn.list
	return r.out
}

// visit takes the text out of the tree.
func (r *reader) visit(e *entity) {
	switch {
	case e.isMessage():
	case len(e.parts) == 0:
		if r.roles[e] == roleText {
			r.leaf(e)
		}
	case e.kind == "multipart/alternative":
		for _, form := range e.forms() {
			before := len(r.texts)
			if r.visit(form); len(r.texts) > before {
				return
			}
		}
	case e.kind == "multipart/related":
		r.visit(e.mainPart())
	default:
		for _, p := range e.parts {
			r.visit(p)
		}
	}
}

// leaf reads a leaf that stands in the text.
func (r *reader) leaf(e *entity) {
	data, why := e.decode(r.left)
	if why != "" {
		r.warn.add("part " + partName(e) + ": " + why)
	}
	if len(data) > maxPage {
		data, r.out.Cut = data[:maxPage], true
	}
	if !r.left.build(maxUTF8 * len(data)) { // its text, and what is made of it
		r.warn.add("part " + partName(e) + ": " + whyWork)
		return
	}
	text, set, why := readText(e, data)
	if why != "" {
		r.warn.add("part " + partName(e) + ": " + why)
	}
	if r.out.Charset.Used == "" {
		r.out.Charset = Charset{mail.NeutralLine(cutText(e.typ.first("charset"), maxNoted)), set}
	}
	if e.kind == "text/html" {
		r.page(text)
		return
	}
	if how, laid := e.relaid(data, text); how != "" && r.left.build(len(laid)) {
		text = laid
	}
	text, coded := codedFiles(unixLines(text))
	r.coded = append(r.coded, coded...)
	r.add(text, false)
}

// maxPage is how many octets of one part are read as text.
const maxPage = 4 << 20

// page reads an HTML part.
func (r *reader) page(source string) {
	s := readPage(source)
	r.out.TrackingPixels += s.pixels
	r.out.RemoteContent += s.remote
	if s.hidden != "" {
		r.hide(s.hidden)
	}
	if s.sheet.cover != "" {
		r.out.HiddenText = true
		r.warn.add(warnCovered + s.sheet.cover)
	}
	if s.tooMuch || s.deep {
		r.warn.add("a page has more styling, or deeper nesting, than is judged; what follows it is left out")
	}
	r.add(string(s.out.b), false)
}

// warnCovered begins the warning about what may hide text that was not left out.
const warnCovered = "the page may hide some of this text from a person: "

// hide notes that text was left out.
func (r *reader) hide(why string) {
	r.out.HiddenText = true
	r.warn.add("text that a person does not see was left out: " + why)
}

// add appends a text. What takes no room on the screen is left out of it.
func (r *reader) add(text string, stray bool) {
	text, dropped := withoutZeroWidth(unixLines(text))
	if dropped {
		r.hide("characters without width")
	}
	text = strings.TrimSpace(mail.Neutralise(squeezeLines(text)))
	if stray && text != "" {
		r.warn.add(warnStray)
	}
	if text != "" {
		r.texts = append(r.texts, text)
	}
}

// squeezeLines leaves two empty lines of any number: text far below is as good
// as hidden from a person.
func squeezeLines(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	empty := 0
	for line := range strings.Lines(s) {
		if strings.TrimSpace(line) == "" {
			if empty++; empty > 2 {
				continue
			}
			line = "\n"
		} else {
			empty = 0
		}
		b.WriteString(line)
	}
	return b.String()
}

// withoutZeroWidth drops the characters that take no room. dropped reports
// whether one of them may say something: a byte order mark, a soft hyphen, and
// what joins or parts letters and emoji do not.
func withoutZeroWidth(s string) (out string, dropped bool) {
	if !strings.ContainsFunc(s, isZeroWidth) {
		return s, false
	}
	s = strings.TrimPrefix(s, "\ufeff")
	var b strings.Builder
	b.Grow(len(s))
	last := ' '
	for _, r := range s {
		if !isZeroWidth(r) {
			b.WriteRune(r)
			last = r
			continue
		}
		joins := (r == 0x200c || r == 0x200d) && last >= 0x600
		dropped = dropped || r != 0xad && !joins
		if joins {
			last = ' ' // one joiner joins, more of them say something
		}
	}
	return b.String(), dropped
}

// isZeroWidth reports whether r takes no room on the screen and changes nothing
// around it. Controls and what changes the direction of text are not among these:
// they are neutralised.
func isZeroWidth(r rune) bool {
	return r >= utf8.RuneSelf && mail.IsInvisible(r) && !mail.IsControl(r) && !mail.IsBidi(r) && !unicode.Is(unicode.Zs, r)
}
