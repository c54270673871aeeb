package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// otherHeader shows what other programs make of the fields of a message that
// hold encoded-words. The first reading stands in the fields of the Review, or
// in the segment that begins an attached message.
func (v *viewer) otherHeader(e *entity) {
	for _, s := range readWords(e.field("subject"))[1:] {
		v.reading(e, "Subject", mail.NeutralLine(s))
	}
	for _, name := range []string{"From", "Sender", "Reply-To", "Mail-Followup-To", "To", "Cc"} {
		for _, f := range e.fields {
			if !f.is(name) {
				continue
			}
			for _, item := range splitAddresses(f.value()) {
				for _, s := range otherAddress(item) {
					v.reading(e, name, s)
				}
			}
		}
	}
}

// otherAddress returns what lenient programs show of an address item whose
// name displayAddress leaves as it stands.
func otherAddress(item string) []string {
	if _, _, why := parseMailbox(item); why == "" || !strings.Contains(item, "=?") {
		return nil
	}
	var out []string
	for _, s := range readWords(item) {
		if s != item {
			out = append(out, mail.NeutralLine(s))
		}
	}
	return out
}

// otherReadings shows what else programs make of the text of a leaf.
func (v *viewer) otherReadings(e *entity, texts []reading) {
	for _, r := range texts {
		text := r.text
		if e.kind == "text/html" {
			if !v.afford(e, len(text)) {
				return
			}
			page := renderHTML(text)
			v.link(e, page.links)
			text = page.out.b.String()
		}
		v.link(e, textLinks(text))
		v.reading(e, r.note, text)
	}
}

// reading appends a segment that is shown whatever else says the same.
func (v *viewer) reading(e *entity, note, text string) {
	v.warn.Add(WarnReading, partPath(e), "read in more than one way: %s", note)
	v.add(e, SegmentReading, note, text)
	if n := len(v.shown); n > 0 && v.shown[n-1].Kind == SegmentReading {
		v.shown[n-1].page = nil
	}
}
