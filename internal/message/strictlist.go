package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// StrictAddresses returns the addresses of a To or Cc field whose value is
// written by a grammar so narrow that all parsers find the same ones: mailboxes
// and groups, with no comments, routes, quoted local parts, empty items or "@" in
// a name (docs/identity.md, section 5.2). ok is false for any other value.
func StrictAddresses(value string) (list []mail.Address, ok bool) {
	r := listReader{s: strings.TrimLeft(value, " \t")}
	if r.s == "" || r.items(true) && r.s == "" {
		return r.out, true
	}
	return nil, false
}

// listReader takes an address list off s, item by item.
type listReader struct {
	s   string
	out []mail.Address
}

// items takes one item and those behind commas.
func (r *listReader) items(groups bool) bool {
	for {
		if !r.item(groups) {
			return false
		}
		if !r.take(',') {
			return true
		}
	}
}

// take takes one character and the blanks behind it.
func (r *listReader) take(c byte) bool {
	if r.s == "" || r.s[0] != c {
		return false
	}
	r.s = strings.TrimLeft(r.s[1:], " \t")
	return true
}

// item takes a mailbox, or a group.
func (r *listReader) item(groups bool) bool {
	for words := 0; ; words++ {
		switch {
		case strings.HasPrefix(r.s, "<"):
			spec, rest, ok := strings.Cut(r.s[1:], ">")
			r.s = strings.TrimLeft(rest, " \t")
			return ok && r.address(spec)
		case words > 0 && groups && r.take(':'):
			return r.take(';') || r.items(false) && r.take(';')
		}
		if strings.HasPrefix(r.s, `"`) {
			if !r.quoted() {
				return false
			}
			continue
		}
		n := 0
		for n < len(r.s) && (mail.IsAtext(r.s[n]) || r.s[n] == '.') {
			n++
		}
		if words == 0 && n < len(r.s) && r.s[n] == '@' {
			if end := strings.IndexAny(r.s, " \t,;"); end >= 0 {
				n = end
			} else {
				n = len(r.s)
			}
			spec := r.s[:n]
			r.s = strings.TrimLeft(r.s[n:], " \t")
			return r.address(spec)
		}
		if n == 0 {
			return false
		}
		r.s = strings.TrimLeft(r.s[n:], " \t")
	}
}

// quoted takes a quoted string in which only quote and backslash are escaped.
func (r *listReader) quoted() bool {
	text, n := quotedString(r.s)
	if n == 0 || strings.Contains(text, "@") {
		return false
	}
	r.s = strings.TrimLeft(r.s[n:], " \t")
	return true
}

func (r *listReader) address(spec string) bool {
	a, err := mail.ParseAddress(spec)
	if err != nil || strings.HasPrefix(spec, `"`) {
		return false
	}
	r.out = append(r.out, a)
	return true
}
