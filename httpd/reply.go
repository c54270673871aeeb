package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxQuote is how many octets of a mail an answer quotes at most.
const maxQuote = 64 << 10

// reply answers a mail of a mailbox: recipients, subject and thread are those that a
// mail program would choose, the words are the agent's. It goes through the gate as
// any other mail.
func (s *Server) reply(ctx context.Context, c caller, in api.ReplyRequest) (out api.Receipt, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	if in.Quote && !c.Has(registry.ScopeRead) {
		return out, mail.ReasonScope.Errorf("to quote a mail needs the scope read")
	}
	parent, err := s.shownMail(ctx, box, in.Email)
	if err != nil {
		return out, err
	}
	to, err := answerable(parent)
	if err != nil {
		return s.refuseDraft(ctx, c, err)
	}
	d := api.Draft{Cc: in.Cc, Bcc: in.Bcc, Markdown: in.Markdown, Attachments: in.Attachments,
		Subject: message.ReplySubject(parent.Header.Subject), To: addresses(to), IdempotencyKey: in.IdempotencyKey}
	head, err := s.threadHead(ctx, c, parent)
	if err != nil {
		return out, err
	}
	d.InReplyTo, d.References = message.ReplyReferences(head)
	if in.Quote {
		if err := checkDraft(d); err != nil { // a quote is no answer
			return s.refuseDraft(ctx, c, err)
		}
		if err := s.quote(ctx, c, parent, &d); err != nil {
			return out, err
		}
	}
	var strays []mail.Address
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		strays, err = s.strays(tx, parent)
		return err
	})
	if err != nil {
		return out, err
	}
	if out, err = s.sendFrom(ctx, c, box.String(), in.KeyHeader, d); err != nil {
		return out, err
	}
	switch {
	case elsewhere(parent):
		out.Warnings = append(out.Warnings, elsewhereText(parent))
	case len(strays) > 0:
		out.Warnings = append(out.Warnings, straysText(parent, strays))
	}
	return out, nil
}

// threadHead is the header of a mail as far as its thread goes. Records of the mailbox's own
// mail from before there were threads do not have it: its bytes do.
func (s *Server) threadHead(ctx context.Context, c caller, m *mail.Mail) (h mail.Header, err error) {
	if h = m.Header; m.Direction == mail.Incoming || h.InReplyTo != "" || len(h.References) > 0 {
		return h, nil
	}
	err = s.work(ctx, c, func() error {
		raw, err := s.o.Queue.Raw(ctx, m.ID)
		if err == nil {
			seen := message.ReadIncoming(raw).Header
			h.InReplyTo, h.References = seen.InReplyTo, seen.References
		}
		return err
	})
	return h, err
}

// shownMail returns a mail of a mailbox that the mailbox shows. Any other one is not
// there, whatever else is true of it.
func (s *Server) shownMail(ctx context.Context, box mail.Address, text string) (*mail.Mail, error) {
	id, err := pathID(text)
	if err != nil {
		return nil, err
	}
	m, err := s.o.Queue.Mail(ctx, id)
	if errors.Is(err, mail.ErrNotFound) || err == nil && (m.Mailbox.Key() != box.Key() || !m.Visible()) {
		return nil, missing("mail")
	}
	return m, err
}

// answerable returns to whom an answer to a mail goes: to Reply-To or else to From,
// and to the recipients of a mail that the mailbox sent itself. What a program sent is
// not answered (RFC 3834, section 2): two of them would go on for ever.
func answerable(m *mail.Mail) (to []mail.Address, _ error) {
	switch {
	case m.Direction == mail.Outgoing:
		to = m.Header.To
	case m.NoAnswer() != "":
		return nil, &refusal{status: http.StatusConflict, text: "this mail is not to be answered: " + m.NoAnswer(),
			hint: "write to a person with send_email, if somebody must be told"}
	case len(m.Header.ReplyTo) > 0:
		to = m.Header.ReplyTo
	case !m.Header.From.IsZero():
		to = []mail.Address{m.Header.From}
	}
	if len(to) == 0 {
		return nil, &refusal{status: http.StatusConflict, text: "this mail names nobody who could be answered",
			hint: "send_email writes to an address that you know"}
	}
	return to, nil
}

// quote appends what a mail says to a draft.
func (s *Server) quote(ctx context.Context, c caller, m *mail.Mail, d *api.Draft) error {
	room := min(maxQuote, maxMarkdown-len(d.Markdown))
	return s.octets(ctx, c, m.ID, func(raw []byte) error {
		who := m.Header.From.String()
		if m.Header.FromName != "" {
			who = m.Header.FromName + " <" + who + ">"
		}
		at := m.Header.Date
		if at.IsZero() {
			at = m.SubmittedAt
		}
		// Marks of lines make a quote up to three times as long as what is quoted.
		text := message.Quote(message.NewReading(raw, message.ReadingLimits{Text: room}).Text, who, at, room/3-len(who)-100)
		if d.Markdown = strings.TrimRight(d.Markdown, "\n") + "\n\n" + text; len(d.Markdown) > maxMarkdown {
			return over(mail.LimitDraftMarkdown, "markdown is too long to quote beside it")
		}
		return nil
	})
}

// elsewhere reports whether answers to a received mail go to another organisation than
// the one that it came from, as who wants to catch an answer would have it.
func elsewhere(m *mail.Mail) bool {
	if m.Direction != mail.Incoming {
		return false
	}
	for _, a := range m.Header.ReplyTo {
		if message.Organization(a.Domain()) != message.Organization(m.Header.From.Domain()) {
			return true
		}
	}
	return false
}

// strays returns the addresses that answers to a received mail go to although it is from
// another, and no earlier mail of its thread names them.
func (s *Server) strays(tx store.Tx, m *mail.Mail) (out []mail.Address, _ error) {
	if m.Direction != mail.Incoming {
		return nil, nil
	}
	for _, a := range m.Header.ReplyTo {
		if a.Key() != m.Header.From.Key() {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	i, err := s.o.Inbox.Item(tx, m.Mailbox, m.ID)
	if err != nil {
		return nil, err
	}
	return s.o.Inbox.Unnamed(tx, m.Mailbox, i.Thread, m.ID, out)
}

func straysText(m *mail.Mail, strays []mail.Address) string {
	return fmt.Sprintf("answers to this mail go to %s, to whom nothing of the thread was sent yet, and it is from %s",
		strings.Join(addresses(strays), ", "), orNobody(m.Header.From))
}

func elsewhereText(m *mail.Mail) string {
	return fmt.Sprintf("answers to this mail go to %s, and it is from %s: another organisation",
		strings.Join(addresses(m.Header.ReplyTo), ", "), orNobody(m.Header.From))
}
