package message

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/multimail/multimail/mail"
)

// ReportKind is what a report is about.
type ReportKind uint8

// The kinds.
const (
	NoReport  ReportKind = iota
	Delivery             // what became of a mail (RFC 3464)
	Complaint            // its reader complains (RFC 5965)
)

// Report is what a program says of a message that was sent (RFC 6522). All of it is
// a stranger's word.
type Report struct {
	Kind ReportKind

	Recipients []Reported // of a delivery report, at most MaxReported

	Feedback string // type of a complaint in lower case, such as abuse
	// Paths are the envelope senders that a complaint names for the message: that of its
	// Original-Mail-From first, then that of the Return-Path of what is attached.
	Paths []mail.Address
}

// Reported is what a report says of one recipient.
type Reported struct {
	Final, Original mail.Address // zero where the report names none that can be read
	Action          string       // in lower case; of RFC 3464, section 2.3.3, if it is one
	Status          string       // "5.1.1" (RFC 3463), or "" where there is none
	Code            int          // reply code of the server, or 0
	Text            string       // what it said behind its codes, one line of printable ASCII
}

// MaxReported is how many recipients of a delivery report are read.
const MaxReported = 100

// ReadReport reads a report within the budget of every message. What cannot be read
// is no report; nothing of it is an error.
func ReadReport(raw []byte) (r Report) {
	left := newBudget(len(raw))
	root, _ := parseMIME(raw, left)
	if root.kind != "multipart/report" {
		r.readOld(root)
		return r
	}
	for i, p := range root.parts {
		switch p.kind {
		case "message/delivery-status", "message/global-delivery-status":
			if r.Kind == NoReport {
				r.Kind = Delivery
				r.readStatus(p, left)
			}
		case "message/feedback-report":
			if r.Kind == NoReport {
				r.Kind = Complaint
				r.readFeedback(p, left)
			}
		default:
			if i > 0 && r.Kind == Complaint {
				r.readReturned(p, left)
			}
		}
	}
	return r
}

// readStatus reads the groups of fields of a delivery status: one about the message,
// then one for each recipient.
func (r *Report) readStatus(e *entity, left *budget) {
	groups := fieldGroups(e, left, MaxReported+1)
	for _, g := range groups[min(1, len(groups)):] {
		var c Reported
		for _, f := range g {
			switch strings.ToLower(f.name) {
			case "final-recipient":
				c.Final = typedAddress(f.value())
			case "original-recipient":
				c.Original = typedAddress(f.value())
			case "action":
				c.Action = firstWord(f.value())
			case "status":
				c.Status = mail.EnhancedCode(firstWord(f.value()))
			case "diagnostic-code":
				_, text, _ := strings.Cut(f.value(), ";")
				c.Text = mail.PlainLine(text)
			}
		}
		if c.Action == "" {
			continue // not a recipient: some programs add groups of their own
		}
		c.refine()
		r.Recipients = append(r.Recipients, c)
	}
}

// refine takes the codes off the text that a server replied. Its enhanced code is the
// status where the report has none, or one that says no more than its class.
func (c *Reported) refine() {
	text := c.Text
	if n, err := strconv.Atoi(text[:min(3, len(text))]); err == nil && n >= 400 && n <= 599 {
		c.Code, text = n, strings.TrimLeft(text[3:], " -#")
	}
	word, rest, _ := strings.Cut(text, " ")
	if code := mail.EnhancedCode(word); code != "" {
		vague := c.Status == "" || strings.HasSuffix(c.Status, ".0.0") && code[0] == c.Status[0]
		if text = strings.TrimSpace(rest); vague {
			c.Status = code
		}
	}
	c.Text = text
}

// readFeedback reads the fields of a feedback report.
func (r *Report) readFeedback(e *entity, left *budget) {
	for _, g := range fieldGroups(e, left, 1) {
		for _, f := range g {
			switch strings.ToLower(f.name) {
			case "feedback-type":
				r.Feedback = firstWord(f.value())
			case "original-mail-from":
				r.addPath(f.value())
			}
		}
	}
}

// readReturned looks for the envelope sender in the message that a report returns.
func (r *Report) readReturned(e *entity, left *budget) {
	switch {
	case e.isMessage():
		r.addPath(e.parts[0].field("return-path"))
	case e.kind == "text/rfc822-headers" || e.kind == "message/global-headers":
		for _, g := range fieldGroups(e, left, 1) {
			for _, f := range g {
				if f.is("return-path") {
					r.addPath(f.value())
					return
				}
			}
		}
	}
}

// maxPaths is how many envelope senders a complaint may name.
const maxPaths = 2

func (r *Report) addPath(s string) {
	if a := bareAddress(s); !a.IsZero() && len(r.Paths) < maxPaths {
		r.Paths = append(r.Paths, a)
	}
}

// fieldGroups returns the fields in the body of a part, in groups that empty lines
// separate, the first most of them.
func fieldGroups(e *entity, left *budget, most int) (out [][]field) {
	data, _ := e.decode(left)
	if len(data) > MaxHeader {
		data = data[:MaxHeader]
	}
	if !left.build(2 * len(data)) {
		return nil
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for len(data) > 0 && len(out) < most {
		var group []byte
		group, data, _ = bytes.Cut(data, []byte("\n\n"))
		data = bytes.TrimLeft(data, "\n")
		if fields := scanSome(bytes.TrimLeft(group, "\n"), MaxFields); len(fields) > 0 {
			out = append(out, fields)
		}
	}
	return out
}

// typedAddress reads "rfc822; user@example.com" (RFC 3464, section 2.3.1) and its
// form for addresses beyond ASCII (RFC 6533, section 4.2), as far as those are in ASCII.
func typedAddress(s string) mail.Address {
	kind, addr, ok := strings.Cut(s, ";")
	kind = strings.TrimSpace(kind)
	if !ok || !strings.EqualFold(kind, "rfc822") && !strings.EqualFold(kind, "utf-8") {
		return mail.Address{}
	}
	return bareAddress(addr)
}

// bareAddress reads an address with or without angle brackets; zero where it is none.
func bareAddress(s string) mail.Address {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		s = s[1 : len(s)-1]
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return mail.Address{}
	}
	return a
}

// firstWord returns the first word of a value in lower case.
func firstWord(s string) string {
	words := strings.Fields(withoutComments(s))
	if len(words) == 0 {
		return ""
	}
	return strings.ToLower(mail.PlainLine(words[0]))
}

// readOld knows two forms of reports that are older than RFC 3464 and say beyond
// doubt that a mail failed: that of qmail, and that of Exim. Everything else may be a
// warning, or the words of a person.
func (r *Report) readOld(root *entity) {
	data := root.body
	failed := bytes.HasPrefix(data, []byte("Hi. This is the ")) &&
		bytes.Contains(data[:min(len(data), 2000)], []byte("\r\n--- Below this line is a copy of the message.")) ||
		root.field("x-failed-recipients") != ""
	if failed && strings.HasPrefix(root.kind, "text/") && fromDaemon(root.field("from")) {
		r.Kind = Delivery
		r.Recipients = []Reported{{Action: "failed"}}
	}
}

// fromDaemon reports whether a From is that of the mail system.
func fromDaemon(from string) bool {
	from = strings.ToLower(from)
	return strings.Contains(from, "mailer-daemon@") || strings.Contains(from, "<mailer-daemon")
}
