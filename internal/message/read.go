package message

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// ReadOptions is what Read adds to a message that lacks it.
type ReadOptions struct {
	ID   mail.ID   // for a generated Message-ID: <id@host>; empty means a fresh one
	Now  time.Time // for a generated Date
	Host string    // domain of a generated Message-ID; not a host name means From's domain

	Domains []string // the operator's; From's domain counts as one of them in any case
}

// Message is a message whose canonical bytes are fixed.
type Message struct {
	Raw      []byte         // canonical CRLF bytes: what is stored, digested, shown, signed, sent
	Header   mail.Header    // what they say
	Senders  []mail.Address // From and Sender, if present: each must belong to the principal
	EightBit bool           // the body has octets >= 0x80 and needs 8BITMIME
	Hops     int            // number of Received fields
	BodyHash string         // as in bh= of DKIM
	TextHash string         // equal for mails that say the same, "" for one that says nothing
}

// Read validates a message and fixes its canonical bytes (invariant 3). It removes
// Bcc, Resent-Bcc, Return-Path, every X-MultiMail field and what only a
// receiver or the operator may state (see strip), adds Message-ID and Date on
// top when they are missing, a CRLF at the end when the last line lacks it, as
// DATA would, and the empty line of a message that is a header alone (RFC 5322,
// section 3.5). Every other octet stays. Reading the result again
// yields the same bytes. Raw may share memory with raw.
//
// Every refusal is an *Error with a 5xx code. Read never repairs: what two mail
// systems could read in two ways does not come in (invariant 9).
func Read(raw []byte, o ReadOptions) (*Message, error) {
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		raw = append(raw[:len(raw):len(raw)], '\r', '\n')
	}
	if header, _ := SplitHeader(raw); len(header) == len(raw) {
		raw = append(raw[:len(raw):len(raw)], '\r', '\n')
	}
	if err := checkLines(raw); err != nil {
		return nil, err
	}
	fields, body, err := readHeader(raw)
	if err != nil {
		return nil, err
	}
	kept, err := strip(fields, o.Domains)
	if err != nil {
		return nil, err
	}
	msg := &Message{}
	if err := msg.readFields(kept); err != nil {
		return nil, err
	}
	added := msg.complete(kept, o)
	msg.Raw = raw
	if added != "" || len(kept) != len(fields) {
		msg.Raw = assemble(added, kept, body)
	}
	if len(msg.Raw)-len(body) > MaxHeader {
		return nil, errHeaderSize()
	}
	msg.EightBit = hasEightBit(body)
	msg.BodyHash = hashBody(body)
	left := newBudget(len(msg.Raw))
	root, over := parseMIME(msg.Raw, left)
	if over != nil {
		return nil, over
	}
	if err := root.checkBoundaries(); err != nil {
		return nil, err
	}
	msg.Header.Attachments = countFiles(root)
	msg.TextHash = textHash(root, left)
	return msg, nil
}

// checkLines refuses octets and lines which the next hop may not take as they
// are. Only CRLF ends a line; anything else is how mail is smuggled.
func checkLines(raw []byte) error {
	if bytes.IndexByte(raw, 0) >= 0 {
		return mail.ReasonContent.Errorf("message holds a NUL octet; encode it as base64")
	}
	for n := 1; len(raw) > 0; n++ {
		i := bytes.IndexByte(raw, '\n')
		switch cr := bytes.IndexByte(raw, '\r'); {
		case i < 1 || raw[i-1] != '\r':
			if cr >= 0 && (i < 0 || cr < i) {
				return errBare("CR", n)
			}
			return errBare("LF", n)
		case cr != i-1:
			return errBare("CR", n)
		case i-1 > MaxLine:
			return mail.ReasonContent.Errorf("line %d is longer than 998 octets; "+
				"encode it as quoted-printable or base64", n).Over(mail.LimitLineLength)
		}
		raw = raw[i+1:]
	}
	return nil
}

func hasEightBit(b []byte) bool {
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b)&0x8080808080808080 != 0 {
			return true
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

func errBare(what string, line int) error {
	return mail.ReasonContent.Errorf("line %d holds a bare %s; lines must end with CRLF", line, what)
}

func errHeaderSize() error {
	return mail.ReasonContent.Errorf("header is longer than %d octets", MaxHeader).Over(mail.LimitHeaderOctets)
}

// readHeader cuts the header into fields and refuses any that is malformed.
// body is what follows the empty line.
func readHeader(raw []byte) (fields []field, body []byte, err error) {
	header, body := SplitHeader(raw)
	if len(header) == len(raw) {
		return nil, nil, mail.ReasonContent.Errorf("no empty line between header and body")
	}
	if len(header)+2 > MaxHeader {
		return nil, nil, errHeaderSize()
	}
	for len(header) > 0 {
		f := field{raw: firstField(header)}
		if err := f.tooLong(len(fields)); err != nil {
			return nil, nil, err
		}
		if why := f.malformed(); why != "" {
			return nil, nil, mail.ReasonContent.Errorf("%s", why)
		}
		f.name = string(f.raw[:bytes.IndexByte(f.raw, ':')])
		fields = append(fields, f)
		header = header[len(f.raw):]
	}
	return fields, body, nil
}

// tooLong refuses a field that is too much for those who read it later, after
// n others. A program that verifies DKIM copies a folded field once for each of
// its lines.
func (f field) tooLong(n int) error {
	e := func(l mail.Limit, format string, args ...any) error {
		return mail.ReasonContent.Errorf(format, args...).Over(l)
	}
	switch {
	case n >= MaxFields:
		return e(mail.LimitHeaderFields, "more than %d header fields; leave some out", MaxFields)
	case len(f.raw) > MaxField:
		return e(mail.LimitFieldOctets, "a header field is longer than %d octets; shorten it", MaxField)
	case bytes.Count(f.raw, []byte{'\n'}) > MaxFieldLines:
		return e(mail.LimitFieldLines, "a header field has more than %d lines; fold it less often", MaxFieldLines)
	}
	return nil
}

// single lists the fields that may stand once at most (RFC 5322, section 3.6;
// RFC 2045): of two copies one reader shows the first and another the last.
var single = map[string]bool{
	"from": true, "sender": true, "to": true, "cc": true, "subject": true, "date": true,
	"message-id": true, "reply-to": true, "in-reply-to": true, "references": true,
	"mime-version": true, "content-type": true, "content-transfer-encoding": true,
	"content-disposition": true,
}

// addressFields name people, and are shown to the approver one by one.
var addressFields = func() map[string]bool {
	names := map[string]bool{}
	for _, n := range append(receiptFields[:len(receiptFields):len(receiptFields)],
		"from", "sender", "to", "cc", "reply-to", "mail-followup-to") {
		names[n] = true
	}
	return names
}()

// onlyOnce refuses a second field of those that may stand once.
func onlyOnce(fields []field) error {
	seen := map[string]bool{}
	for _, f := range fields {
		name := strings.ToLower(f.name)
		if seen[name] && single[name] {
			return mail.ReasonContent.Errorf("more than one %s field", f.name)
		}
		seen[name] = true
	}
	return nil
}

// readFields fills in what the fields say.
func (m *Message) readFields(fields []field) error {
	if err := onlyOnce(fields); err != nil {
		return err
	}
	seen, addresses := map[string]string{}, 0
	for _, f := range fields {
		name := strings.ToLower(f.name)
		if name == "received" {
			m.Hops++
		}
		if addressFields[name] {
			addresses += len(splitAddresses(f.value()))
		}
		if single[name] {
			seen[name] = f.value()
		}
	}
	if m.Hops > MaxHops {
		return mail.ReasonLoop.Errorf("more than %d Received fields; the mail is in a loop", MaxHops).
			Over(mail.LimitReceivedHops)
	}
	if addresses > MaxAddresses {
		return mail.ReasonContent.Errorf("more than %d addresses in the header; write to fewer at a time",
			MaxAddresses).Over(mail.LimitHeaderAddresses)
	}
	if err := m.readSenders(seen); err != nil {
		return err
	}
	m.Header.To = addressesIn(seen["to"])
	m.Header.Cc = addressesIn(seen["cc"])
	m.Header.Date = recordDate(ParseDate(seen["date"]))
	conversation(&m.Header, func(name string) (out []string) {
		for _, f := range fields {
			if f.is(name) {
				out = append(out, f.value())
			}
		}
		return out
	}, &remarks{})
	subject := strings.TrimSpace(decodeWords(seen["subject"]))
	if len(subject) > MaxSubject {
		return mail.ReasonContent.Errorf("the Subject is longer than %d octets; shorten it",
			MaxSubject).Over(mail.LimitSubjectOctets)
	}
	m.Header.Subject = mail.NeutralLine(subject)
	if id, ok := seen["message-id"]; ok {
		if m.Header.MessageID = parseMessageID(id); m.Header.MessageID == "" {
			return mail.ReasonContent.Errorf("malformed Message-ID; write <unique@domain>")
		}
	}
	return nil
}

// readSenders demands exactly one From and at most one Sender, each one address.
func (m *Message) readSenders(seen map[string]string) error {
	if _, ok := seen["from"]; !ok {
		return mail.ReasonContent.Errorf("no From field")
	}
	for _, name := range []string{"From", "Sender"} {
		v, ok := seen[strings.ToLower(name)]
		if !ok {
			continue
		}
		display, a, why := parseSender(v)
		if name == "From" {
			m.Header.FromName, _ = boundedLine(display, maxName)
		}
		if why != "" {
			return mail.ReasonContent.Errorf("%s must be one address, as in Name <user@domain>: %s", name, why)
		}
		m.Senders = append(m.Senders, a)
	}
	m.Header.From = m.Senders[0]
	return nil
}

// complete returns the fields the message lacks, and sets the generated id.
func (m *Message) complete(fields []field, o ReadOptions) string {
	var added string
	if m.Header.MessageID == "" {
		if o.ID == "" {
			o.ID = mail.NewID(o.Now)
		}
		host := strings.ToLower(o.Host)
		if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || !mail.IsDotAtom(host) {
			host = m.Header.From.Domain()
		}
		m.Header.MessageID = string(o.ID) + "@" + host
		added = "Message-ID: <" + m.Header.MessageID + ">\r\n"
	}
	for _, f := range fields {
		if f.is("date") {
			return added
		}
	}
	m.Header.Date = recordDate(o.Now.Truncate(time.Second))
	return added + fmt.Sprintf("Date: %s\r\n", o.Now.UTC().Format(dateLayout))
}

// assemble writes the canonical bytes anew.
func assemble(added string, fields []field, body []byte) []byte {
	n := len(added) + 2 + len(body)
	for _, f := range fields {
		n += len(f.raw)
	}
	out := append(make([]byte, 0, n), added...)
	for _, f := range fields {
		out = append(out, f.raw...)
	}
	out = append(out, '\r', '\n')
	return append(out, body...)
}
