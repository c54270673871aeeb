package httpd

import (
	"context"
	"slices"
	"strings"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// edit changes a scheduled mail: what its author asks for and what stays of it become a draft,
// which goes through the gate as any other one does and comes in its place.
func (s *Server) edit(ctx context.Context, c caller, in api.EditRequest) (out api.Edited, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	old, err := s.shownMail(ctx, box, in.Email)
	if err != nil {
		return out, err
	}
	if old.Direction != mail.Outgoing {
		return out, mail.ErrStale.Errorf("only a mail that the mailbox sends is edited")
	}
	sub, err := s.revision(ctx, c, old, in.Edit)
	if err != nil {
		s.noteDraft(ctx, c, err)
		return out, err
	}
	receipt, err := s.o.Gate.Submit(ctx, c.Principal, sub)
	if err != nil {
		return out, err
	}
	out = api.Edited{Receipt: s.receipt(receipt.Mail, false), Replaces: string(old.ID)}
	out.ThreadID = s.threadOf(ctx, receipt.Mail)
	return out, nil
}

// revision is the mail in the place of old.
func (s *Server) revision(ctx context.Context, c caller, old *mail.Mail, e api.Edit) (sub gate.Submission, _ error) {
	if e.SendAt == nil && e.To == nil && e.Cc == nil && e.Bcc == nil && e.Subject == nil && e.Markdown == nil {
		return sub, invalid("say what shall change: send_at, to, cc, bcc, subject or markdown")
	}
	m, err := s.boxOf(ctx, old.Mailbox)
	if err != nil {
		return sub, err
	}
	if m.Unscheduled {
		return sub, invalid("this mailbox takes no mail for later; cancel the mail, or ask your operator")
	}
	sub = gate.Submission{Mailbox: m.Address, Door: c.door, Codes: c.codes, TLS: c.tls, NotBefore: old.NotBefore,
		Replaces: old.ID}
	if old.Basis == mail.NoBasis { // it is asked about when its time has come
		sub.Timing = mail.ScheduleFirst
	}
	if e.SendAt != nil {
		if *e.SendAt == "" {
			return sub, invalid("send_at must be a time; to send at once, cancel the mail and send it anew")
		}
		if sub.NotBefore, err = sendAt(*e.SendAt, s.o.Now()); err != nil {
			return sub, err
		}
	}
	err = s.work(ctx, c, func() error {
		raw, err := s.o.Queue.Raw(ctx, old.ID)
		if err != nil {
			return err
		}
		kept, err := message.ReadEarlier(raw)
		if err != nil {
			return mail.ErrStale.Errorf("this mail cannot be edited; cancel it and send it anew")
		}
		return revise(&sub, m, old, kept, e)
	})
	return sub, err
}

// revise writes what is asked for over what stays of old.
func revise(sub *gate.Submission, m registry.Mailbox, old *mail.Mail, kept message.Earlier, e api.Edit) error {
	d := api.Draft{To: e.To, Cc: e.Cc, Bcc: e.Bcc, Subject: kept.Subject, Markdown: "stays"}
	if e.To == nil {
		d.To = addresses(kept.Header.To)
	}
	if e.Cc == nil {
		d.Cc = addresses(slices.DeleteFunc(kept.Header.Cc, func(a mail.Address) bool { return added(old, a) }))
	}
	if e.Bcc == nil {
		d.Bcc = addresses(hidden(old))
	}
	if e.Subject != nil {
		d.Subject = *e.Subject
	}
	if e.Markdown != nil {
		d.Markdown = *e.Markdown
	}
	if err := checkDraft(d); err != nil {
		return err
	}
	lists, rcpts, err := recipients(d)
	if err != nil {
		return err
	}
	next := message.Draft{From: m.Address, FromName: m.DisplayName, To: lists[0], Cc: withAutoCC(lists, m),
		Subject: d.Subject, InReplyTo: kept.Header.InReplyTo, References: strings.Join(kept.Header.References, " "),
		Answer: kept.Header.InReplyTo != "", Body: kept.Body}
	if e.Markdown != nil {
		next.Body, next.Files, next.Markdown, next.Signature = nil, kept.Files, d.Markdown, m.Signature
	}
	sub.Raw, err = message.Compose(next)
	sub.Envelope = mail.Envelope{From: m.Address, Rcpts: rcpts}
	return err
}

// added reports whether the mailbox added the recipient a to a mail.
func added(m *mail.Mail, a mail.Address) bool {
	return slices.ContainsFunc(m.Envelope.Rcpts, func(r mail.Rcpt) bool {
		return r.Operators() && r.Addr.Key() == a.Key()
	})
}
