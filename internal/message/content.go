package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// Content is what the author of a mail is shown of it: its words and the names
// of its files. Unlike a Review it compares nothing and flags nothing.
type Content struct {
	Text  string // of the text parts, or of the HTML parts when there are none; neutralised
	Cut   bool   // there is more text than was asked for
	Files []File
}

// File is a part that is offered as a file, under the name that FindAttachment knows.
type File struct {
	Name, Type string
	Size       int64 // octets, decoded
}

// NewContent reads at most limit octets of text, attached messages included.
// Like NewReview it never fails.
func NewContent(raw []byte, limit int) Content {
	left := newBudget(len(raw))
	root, _ := parseMIME(raw, left)
	var c Content
	text, html := textOf{left: limit}, textOf{left: limit}
	c.walk(root, left, &text, &html)
	if text.b.Len() == 0 {
		text = html
	}
	r := reader{root: root, left: left, roles: rolesIn(root)}
	for _, f := range r.files() {
		c.Files = append(c.Files, File{f.Name, f.ContentType, f.Size})
	}
	c.Text, c.Cut = strings.TrimSpace(text.b.String()), text.cut
	return c
}

func (c *Content) walk(e *entity, left *budget, text, html *textOf) {
	if e.isMessage() || len(e.parts) > 0 {
		for _, p := range e.parts {
			c.walk(p, left, text, html)
		}
		return
	}
	data, _ := e.decode(left)
	switch {
	case !e.isText() && e.kind != "text/html":
	case e.kind == "text/html":
		html.add(e, data, func(s string) string { return renderHTML(s).out.b.String() })
	default:
		text.add(e, data, func(s string) string { return s })
	}
}

// textOf gathers text up to a limit.
type textOf struct {
	b    strings.Builder
	left int // octets that may still be read
	cut  bool
}

// add appends the words of a leaf; what is beyond the limit is not decoded.
func (t *textOf) add(e *entity, data []byte, render func(string) string) {
	if len(data) > t.left {
		data, t.cut = data[:t.left], true
	}
	t.left -= len(data)
	if len(data) == 0 {
		return
	}
	s, _ := decodeCharset(e.typ.first("charset"), data)
	s = strings.TrimSpace(mail.Neutralise(strings.ReplaceAll(render(s), "\r\n", "\n")))
	if s != "" && t.b.Len() > 0 {
		t.b.WriteString("\n\n")
	}
	t.b.WriteString(s)
}
