package httpd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Bounds of the thread that an approver is shown above a mail.
const (
	maxEarlier     = 10      // mails, the newest before it
	maxEarlierText = 2000    // octets of the words of each
	maxEarlierSize = 4 << 20 // octets of a mail whose words are read for that
)

// threadBefore shows an approver what stands before a mail in its thread, as far as its mailbox
// shows it, and warns of whom the mail brings into it, and of whom an answer would reach
// beyond those who were in it. A mail that is not let in yet is shown the thread that it would
// join.
func (s *Server) threadBefore(
	ctx context.Context, c caller, m *mail.Mail, w *message.Warnings,
) (out []api.Earlier, _ error) {
	if m.State == mail.Erased {
		return nil, nil
	}
	var before []inbox.Item
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		self, err := s.o.Inbox.Foresee(tx, m)
		if err == nil {
			before, err = s.o.Inbox.InThread(tx, m.Mailbox, self.Thread, m.ID, maxEarlier)
		}
		if err == nil {
			err = s.warnThread(tx, self, len(before) > 0, w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, i := range slices.Backward(before) {
		if i.Mail == nil || !i.Mail.Visible() {
			continue
		}
		e, err := s.earlier(ctx, c, i.Mail)
		if errors.Is(err, errUnseen) { // it has gone meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// earlier shows one mail of a thread. That its words were read is recorded as of any mail.
func (s *Server) earlier(ctx context.Context, c caller, m *mail.Mail) (e api.Earlier, _ error) {
	e = api.Earlier{ID: string(m.ID), Direction: directionWord(m.Direction), From: fromOf(m),
		To: addresses(m.Header.To), Cc: addresses(m.Header.Cc), Subject: mail.NeutralLine(m.Header.Subject),
		Status: statusWord(m, s.o.Now()), ReceivedAt: m.SubmittedAt}
	if m.Direction == mail.Incoming {
		e.FromName = mail.NeutralLine(m.Header.FromName)
	} else {
		e.Bcc = addresses(hidden(m))
	}
	if m.Arrival != nil {
		e.Authentication = authenticationOf(m.Arrival.Auth)
	}
	if m.Size > maxEarlierSize {
		e.TextCut = true
		return e, nil
	}
	if err := s.noteRead(ctx, c, m.ID, "thread"); err != nil {
		return e, err
	}
	err := s.octets(ctx, c, m.ID, func(raw []byte) error {
		seen := message.NewReading(raw, message.ReadingLimits{Text: maxEarlierText})
		e.Text, e.TextCut = mail.Neutralise(seen.Text), seen.Cut
		return nil
	})
	return e, err
}

// warnThread warns of whom a mail reaches, or brings, that its thread did not have.
func (s *Server) warnThread(tx store.Tx, self inbox.Item, thread bool, w *message.Warnings) error {
	if thread && len(self.New) > 0 {
		w.Add(message.WarnParticipant, "", "no earlier mail of the thread names %s", strings.Join(self.New, ", "))
	}
	if self.Mail.Direction != mail.Outgoing {
		return nil
	}
	answered, err := s.o.Inbox.Answered(tx, self.Mail, self.ID)
	for _, i := range slices.Concat(answered...) {
		if err == nil {
			err = s.warnAnswer(tx, self.Mail, i, w)
		}
	}
	return err
}

// warnAnswer warns of what is odd about the mail that another one answers.
func (s *Server) warnAnswer(tx store.Tx, m *mail.Mail, answered inbox.Item, w *message.Warnings) error {
	p := answered.Mail
	strays, err := s.strays(tx, p)
	if err != nil {
		return err
	}
	strays = slices.DeleteFunc(strays, func(a mail.Address) bool {
		return !slices.ContainsFunc(m.Envelope.Rcpts, func(r mail.Rcpt) bool { return r.Addr.Key() == a.Key() })
	})
	switch {
	case elsewhere(p):
		w.Add(message.WarnElsewhere, "", "%s", elsewhereText(p))
	case len(strays) > 0:
		w.Add(message.WarnReplyTo, "", "%s", straysText(p, strays))
	}
	if answered.Joined != inbox.JoinedNew && len(answered.New) > 0 {
		w.Add(message.WarnParticipant, "", "the mail that it answers brought %s into the thread, by %s",
			strings.Join(answered.New, ", "), answered.Joined)
	}
	return nil
}
