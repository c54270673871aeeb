package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// parseMailbox reads the value of a From or Sender field: one address, bare or
// in angle brackets after a display name. It takes only the forms on which all
// parsers agree, and says why it refuses any other: no comments, groups, lists
// or routes, nothing after the bracket, and no second address in the name.
func parseMailbox(s string) (name string, a mail.Address, why string) {
	spec := s
	if strings.HasSuffix(s, ">") {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			return "", mail.Address{}, "unbalanced angle bracket"
		}
		if name, why = parsePhrase(strings.TrimRight(s[:open], " \t")); why != "" {
			return "", mail.Address{}, why
		}
		spec = s[open+1 : len(s)-1]
	}
	a, err := mail.ParseAddress(spec)
	if err != nil {
		// ParseAddress returns nothing but *Error; its text names no secret.
		return "", mail.Address{}, strings.TrimPrefix(err.(*mail.Error).Public, "malformed address: ")
	}
	return name, a, checkName(name, a)
}

// parseSender is parseMailbox for the author's fields. Whoever a mail claims to
// be from must look the same to every reader, so a quoted local part that holds
// a special character, legal for a recipient, is refused.
func parseSender(s string) (name string, a mail.Address, why string) {
	if name, a, why = parseMailbox(s); why == "" && strings.ContainsAny(a.Local(), `"\()[]@,;:`) {
		return "", mail.Address{}, "character not allowed in a quoted local part"
	}
	return name, a, why
}

// parsePhrase decodes a display name: atoms, quoted strings and encoded-words
// with blanks between them (RFC 5322, section 3.2.5; RFC 2047, section 5).
func parsePhrase(s string) (name, why string) {
	var words []string
	for afterWord := false; s != ""; {
		n := 0
		switch {
		case s[0] == '"':
			var text string
			if text, n = quotedString(s); n == 0 {
				return "", "malformed quoted string in the name"
			}
			words = append(words, text)
			afterWord = false
		case strings.HasPrefix(s, "=?"):
			var text string
			if text, n = encodedWord(s); n == 0 || !mail.IsDotAtom(s[:n]) {
				return "", "an encoded-word in the name cannot be decoded in one way"
			}
			if afterWord { // the blank between two encoded-words is not shown
				text = words[len(words)-1] + text
				words = words[:len(words)-1]
			}
			words = append(words, text)
			afterWord = true
		default:
			for n < len(s) && (mail.IsAtext(s[n]) || s[n] == '.') {
				n++
			}
			if n == 0 {
				return "", "the name holds a special character; put it in quotes"
			}
			words = append(words, s[:n])
			afterWord = false
		}
		rest := strings.TrimLeft(s[n:], " \t")
		if rest != "" && len(rest) == len(s)-n {
			return "", "the name is malformed; put it in quotes"
		}
		s = rest
	}
	return strings.Join(words, " "), ""
}

// quotedString returns the content of the quoted string s begins with and how
// many octets it takes, or 0 when it is malformed.
func quotedString(s string) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), i + 1
		case '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", 0
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0
}

// checkName refuses a display name that could pass for an address, for the end
// of one, or that would not be shown as it is written.
func checkName(name string, a mail.Address) string {
	for _, r := range name {
		if r == '\n' || r == '\t' || mail.IsControl(r) || mail.IsBidi(r) {
			return "the name holds control characters"
		}
	}
	switch {
	case strings.ContainsAny(name, "<>"):
		return "the name holds an angle bracket"
	case strings.Contains(name, "=?"):
		return "the name holds an encoded-word inside another or inside quotes"
	case strings.EqualFold(strings.Trim(name, `'" `), a.String()):
		return "" // QUIRK: some clients write the address as its own name
	}
	for i := 1; i+1 < len(name); i++ {
		if name[i] == '@' && name[i-1] != ' ' && name[i+1] != ' ' {
			return "the name holds another address"
		}
	}
	return ""
}

// Addresses returns the addresses in all fields of that name, in their order.
// Groups are opened. What is not a plain address is left out: it is shown to
// the approver, and nothing is decided by it.
func Addresses(raw []byte, name string) []mail.Address {
	var out []mail.Address
	for _, v := range Fields(raw, name) {
		out = append(out, addressesIn(v)...)
	}
	return out
}

func addressesIn(value string) []mail.Address {
	var out []mail.Address
	for _, item := range splitAddresses(value) {
		if _, a, why := parseMailbox(item); why == "" {
			out = append(out, a)
		}
	}
	return out
}

// splitAddresses cuts the value of an address field at the commas, colons and
// semicolons outside quotes, comments and brackets. The name of a group keeps
// its colon, so that it never looks like an address.
func splitAddresses(value string) []string {
	var out []string
	start, comment, angle, quoted := 0, 0, false, false
	cut := func(end, next int) {
		if item := strings.Trim(value[start:end], " \t"); item != "" {
			out = append(out, item)
		}
		start = next
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case comment > 0 && c == ')':
			comment--
		case !quoted && c == '(':
			comment++
		case comment > 0:
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case angle:
		case c == ',' || c == ';':
			cut(i, i+1)
		case c == ':':
			cut(i+1, i+1)
		}
	}
	cut(len(value), len(value))
	return out
}

// displayAddress writes one item of an address field for the approver: the
// name decoded when the item is plain, else the octets as they stand.
func displayAddress(item string) string {
	name, a, why := parseMailbox(item)
	switch {
	case why != "":
		return mail.NeutralLine(item)
	case name == "":
		return a.String()
	case strings.ContainsAny(name, `,;:()"`):
		return `"` + mail.NeutralLine(name) + `" <` + a.String() + ">"
	}
	return mail.NeutralLine(name) + " <" + a.String() + ">"
}

// ParseFrom reads the whole value of a From field as Read does: one address in
// a form on which all parsers agree, with nothing before, between or after.
func ParseFrom(value string) (mail.Address, error) {
	_, a, why := parseSender(value)
	if why != "" {
		return mail.Address{}, mail.ReasonContent.Errorf("From must be one address: %s", why)
	}
	return a, nil
}
