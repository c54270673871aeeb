package message

import (
	"strings"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// shownSize returns how many octets s takes in an answer once it is neutralised
// and written as JSON.
func shownSize(s string) int {
	n := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '<' || c == '>' || c == '&':
				n += len(`\u003c`)
			case c == '"' || c == '\\' || c == '\n' || c == '\t':
				n += len(`\n`)
			case c < ' ' || c == 0x7f:
				n += len(`\\x1b`)
			default:
				n++
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			n += len(`\\x1b`)
		case mail.IsInvisible(r):
			n += len(`\\U000e0041`)
		default:
			n += size
		}
	}
	return n
}

// What an answer takes for a part, a segment, a field or a link beside its text.
const (
	partSize    = 250
	segmentSize = 200
	fieldSize   = 120
	linkSize    = 14 // and for each of its fields
)

// afford asks for n octets more of the view. When they are not left the part e,
// or the whole message for nil, is marked as not reviewable.
func (v *viewer) afford(e *entity, n int) bool {
	if v.left.build(n) {
		return true
	}
	if v.short == nil {
		v.short = map[*entity]bool{}
	}
	if v.short[e] {
		return false
	}
	v.short[e] = true
	if e == nil {
		v.review.Parts = append(v.review.Parts, Part{Type: "message/rfc822", Why: whyWork})
		return false
	}
	for i := range v.review.Parts {
		if p := &v.review.Parts[i]; p.Path == partPath(e) {
			p.Reviewable = false
			if p.Why != "" && p.Why != whyWork {
				p.Why += "; " + whyWork
			} else {
				p.Why = whyWork
			}
			return false
		}
	}
	v.review.Parts = append(v.review.Parts, Part{Path: e.path, Type: mail.NeutralLine(e.kind), Why: whyWork})
	return false
}

// maxUTF8 is how many octets one octet of a legacy charset may become.
const maxUTF8 = 3

// decodeCharset turns text of e from a charset into UTF-8 if that can be
// afforded. What it makes is counted when it is shown.
func (v *viewer) decodeCharset(e *entity, set string, data []byte) (text, why string) {
	n := len(data)
	switch strings.ToLower(set) {
	case "", "us-ascii", "utf-8":
	default:
		n *= maxUTF8
	}
	if !v.afford(e, n) {
		return "", ""
	}
	text, why = decodeCharset(set, data)
	v.left.refund(n)
	return text, why
}
