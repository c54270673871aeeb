package message

import (
	"bytes"
	"slices"

	"github.com/multimail/multimail/mail"
)

// CheckForm applies the rules of Read on lines and fields to a message that
// has been on its way, and changes nothing: only CRLF ends a line, no NUL, no
// line over MaxLine, no malformed field, no second field of those that may stand
// once, and no MIME boundary with a blank. What passes is split into the
// same fields and parts by every reader.
func CheckForm(raw []byte) error {
	if err := checkLines(raw); err != nil {
		return err
	}
	fields, _, err := readHeader(raw)
	if err != nil {
		return err
	}
	if err := onlyOnce(fields); err != nil {
		return err
	}
	root, over := parseMIME(raw, newBudget(len(raw)))
	if over != nil {
		return over
	}
	return root.checkBoundaries()
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

// ParseMessageID reads the whole value of a Message-ID field as Read does and
// returns the id without its brackets.
func ParseMessageID(value string) (string, error) {
	id := parseMessageID(value)
	if id == "" {
		return "", mail.ReasonContent.Errorf("malformed Message-ID")
	}
	return id, nil
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
