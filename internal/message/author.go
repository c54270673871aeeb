package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// maxName is how many octets of a display name, or of a From field that cannot
// be read, a record keeps.
const maxName = 320

// author is who a From field names.
type author struct {
	addr mail.Address // zero when the field does not name one address
	name string       // decoded
}

// looseMailbox reads one item of an address field as common programs do: with
// comments, and with any display name. ok is false when programs would not agree
// on the address.
func looseMailbox(item string) (a author, ok bool) {
	if name, addr, why := parseMailbox(item); why == "" {
		return author{addr, name}, true
	}
	text, comment := splitComments(item)
	spec, name := text, comment
	if body, closed := strings.CutSuffix(text, ">"); closed {
		open := unquotedAngle(body)
		if open < 0 {
			return a, false
		}
		spec, name = body[open+1:], unquoted(strings.TrimSpace(body[:open]))
		if name == "" {
			name = comment
		}
	}
	addr, err := mail.ParseAddress(strings.TrimSpace(spec))
	if err != nil {
		return a, false
	}
	return author{addr, decodeWords(name)}, true
}

// splitComments returns s without its comments, and the text of the last one.
func splitComments(s string) (text, comment string) {
	var b strings.Builder
	quoted, open := false, false // a comment was found to have no end; no other is looked for
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '(' && !quoted && !open {
			if n := commentLen(s[i:]); n > 0 {
				comment = strings.TrimSpace(s[i+1 : i+n-1])
				i += n - 1
				continue
			}
			open = true
		}
		if c == '\\' && quoted && i+1 < len(s) {
			b.WriteByte(c)
			i++
			c = s[i]
		} else if c == '"' {
			quoted = !quoted
		}
		b.WriteByte(c)
	}
	return strings.TrimSpace(b.String()), comment
}

// unquotedAngle returns where the one "<" outside of quotes stands, -1 if there
// is none or a second one.
func unquotedAngle(s string) int {
	at, quoted := -1, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '>', c == '<' && at >= 0:
			return -1
		case c == '<':
			at = i
		}
	}
	return at
}

// unquoted takes the quotes and backslashes of quoted strings out of a name.
func unquoted(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		} else if s[i] == '"' {
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// looseAddresses returns the addresses that could be read in the values of
// address fields, MaxAddresses at most. all is false when something was left out.
func looseAddresses(values []string) (out []mail.Address, all bool) {
	all = true
	for _, v := range values {
		for _, item := range splitAddresses(v) {
			a, ok := looseMailbox(item)
			switch {
			case !ok && strings.HasSuffix(item, ":"): // the name of a group
			case !ok || len(out) == MaxAddresses:
				all = false
			default:
				out = append(out, a.addr)
			}
		}
	}
	return out, all
}

// readAuthor reads the From fields of a stranger. Which of several addresses
// wrote the mail is not known, so that none is taken: their text is the name.
func readAuthor(values []string, warn *remarks) author {
	var found []author
	unclear := len(values) != 1
	for _, v := range values {
		for _, item := range splitAddresses(utf8Value(v)) {
			a, ok := looseMailbox(item)
			if ok && !strings.ContainsAny(a.addr.Local(), `"\()[]@,;:`) {
				found = append(found, a)
			} else if strings.Contains(item, "@") {
				unclear = true
			}
		}
	}
	text := strings.Join(values, ", ")
	switch {
	case len(values) == 0:
		warn.add("no From field")
		return author{}
	case len(values) > 1:
		warn.add("more than one From field")
	case len(found) > 1:
		warn.add("From names more than one address")
	case len(found) == 0 || unclear:
		warn.add("From names no address that can be read")
	default:
		if items := splitAddresses(utf8Value(text)); len(items) > 1 { // a comma in a name without quotes
			before, _, _ := strings.Cut(utf8Value(text), "<")
			found[0].name = decodeWords(unquoted(strings.TrimSpace(before)))
		}
		found[0].name, _ = boundedLine(found[0].name, maxName)
		return found[0]
	}
	name, _ := lineText(text, maxName)
	return author{name: name}
}
