package message

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/mail"
)

// Limits of Read. They are fixed, not settings.
const (
	MaxLine   = 998       // octets of a line without its CRLF (RFC 5322, section 2.1.1)
	MaxHeader = 256 << 10 // octets of the header
	MaxFields = 1000      // fields of a header
	MaxField  = 64 << 10  // octets of one field
	MaxDepth  = 50        // levels of MIME nesting
	MaxParts  = 1000      // MIME parts, the containers included
	MaxHops   = 100       // Received fields (RFC 5321, section 6.3)

	MaxFieldLines = 1000 // lines of one field: some readers copy it for each
	MaxSubject    = 998  // octets of the Subject, decoded
	MaxAddresses  = 1000 // addresses in all fields that name people
)

// SplitHeader cuts a message at its first empty line. The header ends with the
// CRLF of its last field; the empty line itself is in neither half. Without an
// empty line everything is header.
func SplitHeader(raw []byte) (header, body []byte) {
	if bytes.HasPrefix(raw, []byte("\r\n")) {
		return nil, raw[2:]
	}
	i := bytes.Index(raw, []byte("\r\n\r\n"))
	if i < 0 {
		return raw, nil
	}
	return raw[:i+2], raw[i+4:]
}

// Fields returns the unfolded values of a header field, in their order. Names
// are compared without case. A blank before the colon does not hide a field,
// since some readers overlook it and a verifier must count what they see.
func Fields(raw []byte, name string) []string {
	header, _ := SplitHeader(raw)
	var out []string
	for _, f := range scanFields(header) {
		if f.is(name) {
			out = append(out, f.value())
		}
	}
	return out
}

// OneField returns the value of a field that must stand in raw exactly once.
func OneField(raw []byte, name string) (string, error) {
	values := Fields(raw, name)
	if len(values) != 1 {
		return "", fmt.Errorf("the message has %d %s fields instead of one", len(values), name)
	}
	return values[0], nil
}

// field is one header field as it stands in the bytes.
type field struct {
	name string // as written, trailing blanks removed
	raw  []byte // the whole field with its continuation lines and CRLFs
}

// value returns the field's value unfolded: CRLFs that fold are removed, the
// blanks after them stay (RFC 5322, section 2.2.3), outer blanks are trimmed.
func (f field) value() string {
	_, v, _ := bytes.Cut(f.raw, []byte(":"))
	if bytes.IndexByte(v, '\n') >= 0 {
		v = bytes.ReplaceAll(bytes.ReplaceAll(v, []byte("\r\n"), nil), []byte("\n"), nil)
	}
	return strings.Trim(string(v), " \t")
}

// is compares the field's name without case. The lengths must agree, since some
// letters beyond ASCII fold into it.
func (f field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(f.name, name)
}

// scanFields cuts a header into fields as tolerant readers do. What is not a
// field is left out; Read has refused it long before, and parts of attached
// messages are reported by the caller with malformed.
func scanFields(header []byte) []field { return scanSome(header, len(header)) }

// scanSome is scanFields for the first most fields.
func scanSome(header []byte, most int) []field {
	var out []field
	for len(header) > 0 && len(out) < most {
		raw := firstField(header)
		header = header[len(raw):]
		if name, _, ok := bytes.Cut(raw, []byte(":")); ok && raw[0] != ' ' && raw[0] != '\t' {
			out = append(out, field{strings.TrimRight(string(name), " \t\r\n"), raw})
		}
	}
	return out
}

// firstField returns the first line of header and the lines that continue it.
func firstField(header []byte) []byte {
	end := 0
	for {
		i := bytes.IndexByte(header[end:], '\n')
		if i < 0 {
			return header
		}
		end += i + 1
		if end == len(header) || header[end] != ' ' && header[end] != '\t' {
			return header[:end]
		}
	}
}

// isVisible reports whether c is printable ASCII and no blank.
func isVisible(c byte) bool { return c != ' ' && mail.IsPrintable(rune(c)) }

// errEightBit is a constant because a part may have what the message may not.
const errEightBit = "a header field holds 8-bit characters; use encoded-words (RFC 2047)"

// malformed says why strict and tolerant readers would see different things in
// this field, or "". It judges the form that Read lets pass (invariant 9).
func (f field) malformed() string {
	line, rest, _ := bytes.Cut(f.raw, []byte("\r\n"))
	colon := bytes.IndexByte(line, ':')
	switch {
	case len(line) == 0:
		return "a header line is empty"
	case line[0] == ' ' || line[0] == '\t':
		return "the first header line begins with a blank"
	case colon < 0:
		return "a header line has no colon"
	case colon == 0:
		return "a header field has no name"
	}
	for _, c := range line[:colon] {
		if !isVisible(c) {
			return "a header field name holds a blank or a character outside printable ASCII"
		}
	}
	for i, c := range f.raw[colon+1:] {
		if c > '~' {
			return errEightBit
		}
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return "a header field holds control characters"
		}
		// Some readers end a line at a bare CR.
		if at := colon + 1 + i; c == '\r' && (at+1 == len(f.raw) || f.raw[at+1] != '\n') {
			return "a header field holds control characters"
		}
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		// Some readers take a line of blanks for the end of the header.
		if len(bytes.Trim(line, " \t")) == 0 {
			return "a folded header line holds nothing but blanks"
		}
	}
	return ""
}

// WireHeader returns the header of m, whose bytes are raw, as it stands on the
// wire so far: what is stamped, and below it the fields of raw. rest is what
// follows: the empty line and the body.
func WireHeader(m *mail.Mail, raw []byte) (header, rest []byte) {
	header, _ = SplitHeader(raw)
	rest = raw[len(header):]
	return append(slices.Clone(m.Prefix), header...), rest
}

// Unfold returns a header with each field on one line (RFC 5322, section
// 2.2.3), for readers that copy a folded field once for each of its lines.
func Unfold(header []byte) []byte {
	for _, blank := range []string{" ", "\t"} {
		header = bytes.ReplaceAll(header, []byte("\r\n"+blank), []byte(blank))
	}
	return header
}

// FieldNames returns the name of every header field as it is written, in order.
func FieldNames(raw []byte) []string {
	header, _ := SplitHeader(raw)
	var out []string
	for _, f := range scanFields(header) {
		out = append(out, f.name)
	}
	return out
}
