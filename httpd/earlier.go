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

// threadBefore shows an approver what stands before an outgoing mail in its thread, as far as
// its mailbox shows it, and warns of whom the answer would reach beyond those who were
// in it.
func (s *Server) threadBefore(
	ctx context.Context, c caller, m *mail.Mail, w *message.Warnings,
) (out []api.Earlier, _ error) {
	if m.Direction != mail.Outgoing {
		return nil, nil
	}
	var self inbox.Item
	var before []inbox.Item
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if self, err = s.o.Inbox.Item(tx, m.Mailbox, m.ID); err == nil {
			before, err = s.o.Inbox.InThread(tx, m.Mailbox, self.Thread, m.ID, maxEarlier)
		}
		return err
	})
	if errors.Is(err, mail.ErrNotFound) { // older than threads
		return nil, nil
	}
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
	warnThread(self, before, w)
	return out, nil
}

// earlier shows one mail of a thread. That its words were read is recorded as of any mail.
func (s *Server) earlier(ctx context.Context, c caller, m *mail.Mail) (e api.Earlier, _ error) {
	e = api.Earlier{ID: string(m.ID), Direction: directionWord(m.Direction), From: fromOf(m),
		To: addresses(m.Header.To), Subject: mail.NeutralLine(m.Header.Subject), Status: statusWord(m, s.o.Now()),
		ReceivedAt: m.SubmittedAt}
	if m.Direction == mail.Incoming {
		e.FromName = mail.NeutralLine(m.Header.FromName)
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

// warnThread warns of whom an answer reaches that its thread did not have. before holds
// the thread, newest first.
func warnThread(self inbox.Item, before []inbox.Item, w *message.Warnings) {
	if len(before) > 0 && len(self.New) > 0 {
		w.Add(message.WarnParticipant, "", "no earlier mail of the thread names %s", strings.Join(self.New, ", "))
	}
	for _, i := range before {
		p := i.Mail
		if p == nil || p.Header.MessageID == "" || p.Header.MessageID != self.Mail.Header.InReplyTo {
			continue
		}
		if elsewhere(p) {
			w.Add(message.WarnElsewhere, "", "%s", elsewhereText(p))
		}
		if i.Joined != inbox.JoinedNew && len(i.New) > 0 {
			w.Add(message.WarnParticipant, "", "the mail that it answers brought %s into the thread, by %s",
				strings.Join(i.New, ", "), i.Joined)
		}
		return
	}
}
