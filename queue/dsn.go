package queue

import (
	"bytes"
	"errors"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// notice is one delivery status notification (RFC 3464) about some recipients
// of a mail. It goes into the author's own inbox and never onto the net, so it
// can neither loop nor hit a bystander.
type notice struct {
	about  *mail.Mail
	action string // RFC 3464, 2.3.3: failed, relayed; ours beside it: rejected, expired
	rcpts  []mail.Rcpt
	reason string
	now    time.Time
}

// notify writes the notice of an end that is not the next hop's doing.
func (q *Queue) notify(tx store.Tx, m *mail.Mail, s mail.State) error {
	n := notice{about: m, now: tx.Now()}
	switch s {
	case mail.Rejected:
		n.action = "rejected"
		if len(m.Decisions) > 0 {
			n.reason = m.Decisions[len(m.Decisions)-1].Reason
		}
	case mail.Expired:
		n.action, n.reason = "expired", "nobody decided in time"
	default:
		return nil
	}
	for _, r := range m.Envelope.Rcpts {
		if r.Standing == mail.Pending && !slices.Contains(r.Notify, "NEVER") {
			n.rcpts = append(n.rcpts, r)
		}
	}
	return q.post(tx, n)
}

// report writes the notices that the results of an attempt ask for: one for
// the recipients that failed just now, one for those whose success the author
// wanted to hear of (RFC 3461, 4.1).
func (q *Queue) report(tx store.Tx, m *mail.Mail, before []mail.Rcpt) error {
	failed := notice{about: m, action: "failed", now: tx.Now()}
	relayed := notice{about: m, action: "relayed", now: tx.Now()}
	for i, r := range m.Envelope.Rcpts {
		switch {
		case i < len(before) && before[i].Standing == r.Standing:
		case r.Standing == mail.Bounced && (len(r.Notify) == 0 || slices.Contains(r.Notify, "FAILURE")):
			failed.rcpts = append(failed.rcpts, r)
		case r.Standing == mail.Delivered && slices.Contains(r.Notify, "SUCCESS"):
			relayed.rcpts = append(relayed.rcpts, r)
		}
	}
	if err := q.post(tx, failed); err != nil {
		return err
	}
	return q.post(tx, relayed)
}

// post puts a notice into the inbox of its author; without recipients there
// is nothing to say. A notice that cannot be built never will be: it is
// dropped, with an entry, because what happened to the mail must be recorded
// all the same. After any other error the caller's transaction is repeated.
func (q *Queue) post(tx store.Tx, n notice) error {
	if len(n.rcpts) == 0 {
		return nil
	}
	m := n.about
	id := mail.NewID(n.now)
	postmaster := mail.MustAddress("postmaster@" + m.Mailbox.Domain())
	raw := n.render(id)
	dsn := &mail.Mail{
		ID: id, Mailbox: m.Mailbox, Agent: m.Agent, SubmittedAt: n.now, Size: int64(len(raw)),
		Envelope: mail.Envelope{Rcpts: []mail.Rcpt{{Addr: m.Mailbox, Standing: mail.Delivered}}},
		Header: mail.Header{From: postmaster, To: []mail.Address{m.Mailbox}, Subject: n.subject(),
			MessageID: string(id) + "@" + m.Mailbox.Domain()},
	}
	err := q.bounce.Bounce(tx, dsn, raw)
	if errors.Is(err, mail.ErrNotice) {
		q.o.Log.Error("notice dropped", "mail", m.ID, "action", n.action, "err", err)
		_, err = q.log.Append(tx, audit.Record{Kind: audit.NoticeDrop, Mail: string(m.ID), Rev: m.Rev,
			Digest: string(m.Digest), Actor: system, Facts: map[string]string{"action": n.action}})
	}
	if err != nil {
		return fmt.Errorf("queue: notice about %s: %w", m.ID, err)
	}
	q.wakeLater(tx, boxPrefix+m.Mailbox.Key())
	return nil
}

func (n notice) subject() string {
	switch n.action {
	case "rejected":
		return "Not sent: your mail was rejected"
	case "expired":
		return "Not sent: nobody approved your mail in time"
	case "relayed":
		return "Delivered to the next mail server"
	}
	return "Undelivered: your mail could not be delivered"
}

// render writes the whole notice: what happened in words, the same for
// machines, and the header of the mail it is about.
func (n notice) render(id mail.ID) []byte {
	m, domain := n.about, n.about.Mailbox.Domain()
	boundary := "=_" + string(id)
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: Mail Delivery System <postmaster@%s>", domain)
	line("To: <%s>", m.Mailbox)
	line("Subject: %s", n.subject())
	line("Date: %s", n.now.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID: <%s@%s>", id, domain)
	line("Auto-Submitted: auto-replied")
	line("X-MultiMail-About: %s", m.ID)
	line("X-MultiMail-Action: %s", n.action)
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
func (n notice) words(b *bytes.Buffer) {
	w := quotedprintable.NewWriter(b)
	fmt.Fprintf(w, "%s.\r\n\r\nMail:    %s\r\nSubject: %s\r\n", n.subject(), n.about.ID, oneLine(n.about.Header.Subject))
	if n.reason != "" {
		fmt.Fprintf(w, "Reason:  %s\r\n", oneLine(n.reason))
	}
	fmt.Fprint(w, "\r\n")
	for _, r := range n.rcpts {
		fmt.Fprintf(w, "%s", r.Addr)
		if r.Result != nil {
			fmt.Fprintf(w, ": %d %s %s", r.Result.Code, r.Result.Enhanced, r.Result.Message)
		}
		fmt.Fprint(w, "\r\n")
	}
	w.Close()
	b.WriteString("\r\n")
}

// oneLine shows what somebody wrote as one harmless line.
func oneLine(s string) string { return strings.ReplaceAll(mail.Neutralise(s), "\n", " ") }

// status writes the fields of RFC 3464, sections 2.2 and 2.3.
func (n notice) status(line func(string, ...any)) {
	m := n.about
	line("Reporting-MTA: dns; %s", m.Mailbox.Domain())
	if m.Envelope.EnvID != "" {
		line("Original-Envelope-Id: %s", xtext(m.Envelope.EnvID))
	}
	line("Arrival-Date: %s", m.SubmittedAt.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	for _, r := range n.rcpts {
		line("")
		if r.ORcpt != "" {
			line("Original-Recipient: %s", xtext(r.ORcpt))
		}
		line("Final-Recipient: rfc822; %s", r.Addr)
		action, status := n.action, "5.0.0" // RFC 3463, section 3.1: nothing more exact is known
		switch n.action {
		case "rejected":
			action, status = "failed", "5.7.1"
		case "expired":
			action, status = "failed", "4.4.7"
		case "relayed":
			status = "2.0.0"
		}
		if r.Result != nil && r.Result.Enhanced != "" && n.action != "rejected" && n.action != "expired" {
			status = r.Result.Enhanced
		}
		line("Action: %s", action)
		line("Status: %s", status)
		if r.Result != nil && r.Result.Code != 0 {
			line("Diagnostic-Code: smtp; %d %s", r.Result.Code, r.Result.Message)
		}
	}
	line("")
}

// xtext encodes what a client chose, so that it cannot add a line (RFC 3461, 4).
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c > ' ' && c <= '~' && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "+%02X", c)
		}
	}
	return b.String()
}
