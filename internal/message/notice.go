package message

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// Notice is one delivery status notification (RFC 3464) about some recipients
// of a mail that was submitted here. It reaches its mailbox without an approver, so
// nothing in it is of the choice of whoever got the mail: of what a server said it has
// mail.Status alone.
type Notice struct {
	ID     mail.ID // of the notice
	About  *mail.Mail
	Action string // one of mail.NoticeActions
	Rcpts  []mail.Rcpt
	Reason string // in a person's words, may be empty
	Now    time.Time
}

// From is the address it comes from.
func (n Notice) From() mail.Address {
	return mail.MustAddress("postmaster@" + n.About.Mailbox.Domain())
}

// MessageID is its Message-ID, without brackets.
func (n Notice) MessageID() string { return string(n.ID) + "@" + n.About.Mailbox.Domain() }

// Subject says in words what became of the mail.
func (n Notice) Subject() string {
	switch n.Action {
	case "rejected":
		return "Not sent: your mail was rejected"
	case "expired":
		return "Not sent: nobody approved your mail in time"
	case "relayed":
		return "Delivered to the next mail server"
	}
	return "Undelivered: your mail could not be delivered"
}

// Render writes the whole notice: what happened in words, the same for
// machines, and the header of the mail it is about.
func (n Notice) Render() []byte {
	m, domain, id := n.About, n.About.Mailbox.Domain(), n.ID
	boundary := "=_" + string(id)
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: Mail Delivery System <postmaster@%s>", domain)
	line("To: <%s>", m.Mailbox)
	line("Subject: %s", n.Subject())
	line("Date: %s", n.Now.UTC().Format(dateLayout))
	line("Message-ID: <%s@%s>", id, domain)
	line("Auto-Submitted: auto-replied")
	line("X-MultiMail-About: %s", m.ID)
	line("X-MultiMail-Action: %s", n.Action)
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/report; report-type=delivery-status; boundary=%q", boundary)
	line("")
	line("--%s", boundary)
	line("Content-Type: text/plain; charset=utf-8")
	line("Content-Transfer-Encoding: quoted-printable")
	line("")
	n.words(&b)
	line("--%s", boundary)
	line("Content-Type: message/delivery-status")
	line("")
	n.status(line)
	line("--%s", boundary)
	line("Content-Type: text/rfc822-headers")
	line("")
	line("Message-ID: <%s>", m.Header.MessageID)
	line("From: <%s>", m.Header.From)
	line("")
	line("--%s--", boundary)
	return b.Bytes()
}

// words says it to a person, or to a model.
func (n Notice) words(b *bytes.Buffer) {
	w := quotedprintable.NewWriter(b)
	fmt.Fprintf(w, "%s.\r\n\r\nMail:    %s\r\nSubject: %s\r\n", n.Subject(), n.About.ID, oneLine(n.About.Header.Subject))
	if n.Reason != "" {
		fmt.Fprintf(w, "Reason:  %s\r\n", oneLine(n.Reason))
	}
	fmt.Fprint(w, "\r\n")
	for _, r := range n.Rcpts {
		fmt.Fprintf(w, "%s", r.Addr)
		if r.Result != nil {
			fmt.Fprintf(w, ": %s", r.Result.Status())
		}
		fmt.Fprint(w, "\r\n")
	}
	w.Close()
	b.WriteString("\r\n")
}

// oneLine shows what somebody wrote as one harmless line.
func oneLine(s string) string { return strings.ReplaceAll(mail.Neutralise(s), "\n", " ") }

// status writes the fields of RFC 3464, sections 2.2 and 2.3.
func (n Notice) status(line func(string, ...any)) {
	m := n.About
	line("Reporting-MTA: dns; %s", m.Mailbox.Domain())
	if m.Envelope.EnvID != "" {
		line("Original-Envelope-Id: %s", xtext(m.Envelope.EnvID))
	}
	line("Arrival-Date: %s", m.SubmittedAt.UTC().Format(dateLayout))
	for _, r := range n.Rcpts {
		line("")
		if r.ORcpt != "" {
			line("Original-Recipient: %s", xtext(r.ORcpt))
		}
		line("Final-Recipient: rfc822; %s", r.Addr)
		action, status := n.Action, "5.0.0" // RFC 3463, section 3.1: nothing more exact is known
		switch n.Action {
		case "rejected":
			action, status = "failed", "5.7.1"
		case "expired":
			action, status = "failed", "4.4.7"
		case "relayed":
			status = "2.0.0"
		}
		if r.Result != nil && r.Result.Enhanced != "" && n.Action != "rejected" && n.Action != "expired" {
			status = r.Result.Status().Enhanced
		}
		line("Action: %s", action)
		line("Status: %s", status)
		if r.Result != nil && r.Result.Status().Code != 0 {
			line("Diagnostic-Code: smtp; %s", r.Result.Status())
		}
	}
	line("")
}

// xtext encodes what a client chose, so that it cannot add a line (RFC 3461, 4).
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if isVisible(c) && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "+%02X", c)
		}
	}
	return b.String()
}

// ParseNotice reads the header of a notice; what stands in its body, such as
// the header of the mail it is about, counts for nothing.
func ParseNotice(raw []byte) (mail.Notice, error) {
	id, err := OneField(raw, "X-MultiMail-About")
	if err != nil {
		return mail.Notice{}, err
	}
	about, err := mail.ParseID(id)
	if err != nil {
		return mail.Notice{}, fmt.Errorf("notice: %w", err)
	}
	action, err := OneField(raw, "X-MultiMail-Action")
	if err != nil {
		return mail.Notice{}, err
	}
	if !slices.Contains(mail.NoticeActions[:], action) {
		return mail.Notice{}, fmt.Errorf("notice: unknown action %q", action)
	}
	return mail.Notice{About: about, Action: action}, nil
}
