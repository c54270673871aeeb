package message

import "strings"

// relaid returns the text of a leaf as programs show it that follow its type:
// format=flowed joins lines (RFC 3676), a calendar or card has its folded lines
// joined (RFC 5545, section 3.1; RFC 6350, section 3.2), and the Roman set of
// JIS X 0201 has a yen sign and an overline where ASCII has \ and ~. note says
// which; "" means that all show it as it stands. A joined line may hold another
// link or another number than its pieces.
func (e *entity) relaid(data []byte, text string) (note, laid string) {
	switch e.kind {
	case "text/plain":
		if strings.EqualFold(e.typ.first("format"), "flowed") {
			note, laid = "lines joined as format=flowed", unflow(text, strings.EqualFold(e.typ.first("delsp"), "yes"))
		}
	case "text/calendar", "text/vcard", "text/x-vcard", "text/directory":
		note, laid = "folded lines joined", unfoldLines(text)
	}
	if note == "" && strings.Contains(string(data), "\x1b(J") &&
		strings.HasPrefix(charsetName(e.typ.first("charset")), "iso-2022-jp") {
		note, laid = "Roman letters of JIS X 0201", strings.NewReplacer(`\`, "¥", "~", "‾").Replace(text)
	}
	if unixLines(laid) == unixLines(text) {
		note = ""
	}
	return note, laid
}

// unflow joins the lines of format=flowed: one that ends in a blank goes on in
// the next of the same quote depth, except the line before a signature.
func unflow(text string, delsp bool) string {
	var b strings.Builder
	b.Grow(len(text))
	open, depth := false, 0 // a paragraph goes on, and how deep it is quoted
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		line = strings.TrimSuffix(line, "\r")
		rest := strings.TrimLeft(line, ">")
		quotes := len(line) - len(rest)
		rest = strings.TrimPrefix(rest, " ") // stuffed
		if open && (quotes != depth || rest == "-- ") {
			b.WriteByte('\n')
			open = false
		}
		if !open {
			b.WriteString(line[:quotes])
			if quotes > 0 {
				b.WriteByte(' ')
			}
		}
		open, depth = strings.HasSuffix(rest, " ") && rest != "-- ", quotes
		if open && delsp {
			rest = rest[:len(rest)-1]
		}
		b.WriteString(rest)
		if !open && ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// unfoldLines removes line ends that a blank follows, and the blank.
func unfoldLines(text string) string {
	return strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "").Replace(text)
}
