package httpd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxText is how many octets of its own text an agent is shown.
const maxText = 256 << 10

// email shows one mail or notice of a mailbox.
func (s *Server) email(ctx context.Context, c caller, in api.EmailRequest) (out api.Email, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	id, err := pathID(in.Email)
	if err != nil {
		return out, err
	}
	m, err := s.o.Queue.Mail(ctx, id)
	if errors.Is(err, mail.ErrNotFound) || err == nil && (m.Mailbox.Key() != box.Key() || !m.Visible()) {
		return out, missing("mail")
	}
	if err == nil && m.Direction == mail.Incoming {
		return s.received(ctx, c, box, id)
	}
	if err == nil && in.WaitSeconds > 0 {
		if m, err = s.awaitMail(ctx, m, time.Duration(in.WaitSeconds)*time.Second); err == nil {
			err = s.stillValid(ctx, c)
		}
	}
	if err != nil {
		return out, err
	}
	return s.ownMail(ctx, c, m)
}

// ownMail shows a mail to who sent it: its words and what became of it.
func (s *Server) ownMail(ctx context.Context, c caller, m *mail.Mail) (out api.Email, _ error) {
	if err := s.noteRead(ctx, c, m.ID, "email"); err != nil {
		return out, err
	}
	var seen message.Content
	err := s.octets(ctx, c, m.ID, func(raw []byte) error {
		seen = message.NewContent(raw, maxText)
		return nil
	})
	if err != nil {
		return out, err
	}
	e := api.Email{
		Summary: summaryOf(m, s.o.Now()), Cc: addresses(m.Header.Cc), Bcc: addresses(hidden(m)),
		Text: seen.Text, TextCut: seen.Cut, Digest: string(m.Digest), Rev: m.Rev, Size: m.Size,
		Recipients: recipientsOf(m, true), SendAt: m.NotBefore, Replaces: string(m.Replaces),
		ReplacedBy: string(m.ReplacedBy), Attempts: m.Attempts, FinishedAt: m.FinishedAt,
	}
	e.ThreadID, e.Tags = s.threadOf(ctx, m), s.tagsOf(ctx, m)
	for _, f := range seen.Files {
		e.Attachments = append(e.Attachments, api.File{Name: f.Name, ContentType: f.Type, Size: f.Size})
	}
	if d := lastDecision(m); d != nil {
		v := decisionOf(*d, false)
		if e.Decision = &v; d.Approve {
			e.ApprovedAt = d.At
		}
	}
	switch m.State {
	case mail.Held:
		e.ExpiresAt = m.ExpiresAt
	case mail.Ready:
		e.NextAttemptAt = m.NextAttempt
	}
	return e, nil
}

// received shows a mail that the mailbox has received. It counts as read once its
// agent has it.
func (s *Server) received(ctx context.Context, c caller, box mail.Address, id mail.ID) (out api.Email, _ error) {
	var item inbox.Item
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		item, err = s.o.Inbox.Item(tx, box, id)
		return err
	})
	if errors.Is(err, mail.ErrNotFound) {
		return out, missing("mail")
	}
	if err == nil {
		err = s.noteRead(ctx, c, id, "notice")
	}
	var seen message.Reading
	if err == nil {
		err = s.octets(ctx, c, id, func(raw []byte) error {
			if item.Mail.Notice != nil { // ours, and short: all of it
				seen.Text = message.NewReview(raw).Text()
			} else {
				seen = message.NewReading(raw, message.ReadingLimits{Text: maxText})
			}
			return nil
		})
	}
	if err == nil && c.Kind == registry.KindAgent && item.Status == inbox.Unread {
		item.Status = inbox.Read
		err = s.o.Store.Update(ctx, func(tx store.Tx) error { return s.o.Inbox.MarkRead(tx, box, id) })
		if errors.Is(err, mail.ErrNotFound) {
			err = errUnseen
		}
	}
	if err != nil {
		return out, err
	}
	out = withReading(receivedMail(item, s.o.Now()), seen)
	out.Tags = s.tagsOf(ctx, item.Mail)
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		strays, err := s.strays(tx, item.Mail)
		out.OtherReply = len(strays) > 0
		return err
	})
	if errors.Is(err, mail.ErrNotFound) { // it has gone since
		err = errUnseen
	}
	return out, err
}

// receivedMail shows what is known of a received mail beside what its bytes say.
func receivedMail(item inbox.Item, now time.Time) api.Email {
	m := item.Mail
	e := api.Email{Summary: receivedOf(item, now), Digest: string(m.Digest), Rev: m.Rev, Size: m.Size,
		Cc: addresses(m.Header.Cc), ReplyTo: addresses(m.Header.ReplyTo), Elsewhere: elsewhere(m),
		MessageID: m.Header.MessageID, InReplyTo: m.Header.InReplyTo}
	if a := m.Arrival; a != nil {
		e.Authentication, e.Warnings = authenticationOf(a.Auth), slices.Clone(a.Warnings)
	}
	if m.Spam != nil {
		e.SpamReasons = m.Spam.Reasons
	}
	if d := lastDecision(m); d != nil && d.Approve {
		e.ApprovedAt, e.ApprovedBy = d.At, d.Kind
	}
	return e
}

// withReading adds what was read in the bytes of a received mail.
func withReading(e api.Email, seen message.Reading) api.Email {
	e.Text, e.TextCut, e.HiddenText = seen.Text, seen.Cut, seen.HiddenText
	e.TrackingPixels, e.RemoteContent, e.Charset = seen.TrackingPixels, seen.RemoteContent, seen.Charset.Used
	for _, a := range seen.Attachments {
		e.Attachments = append(e.Attachments, api.File{Name: a.Name, ContentType: a.ContentType, Size: a.Size,
			SHA256: a.SHA256, Inline: a.Inline})
	}
	for _, w := range seen.Warnings {
		if !slices.Contains(e.Warnings, w) {
			e.Warnings = append(e.Warnings, w)
		}
	}
	return e
}

// awaitMail waits until a held mail was decided, or a queued one is finished or
// held again, at most for the given time.
func (s *Server) awaitMail(ctx context.Context, m *mail.Mail, limit time.Duration) (*mail.Mail, error) {
	first, id := stage(m), m.ID
	watch := func() (<-chan struct{}, func()) { return s.o.Queue.WatchMail(id) }
	_, err := s.await(ctx, limit, watch, func() (bool, error) {
		now, err := s.o.Queue.Mail(ctx, id)
		if err != nil {
			return false, err
		}
		m = now
		return now.State.Final() || stage(now) != first, nil
	})
	return m, err
}

// stage is what a waiting author cares for: an attempt more or less is no news.
func stage(m *mail.Mail) mail.State {
	if m.State == mail.Sending {
		return mail.Ready
	}
	return m.State
}

// cancel withdraws a mail of the agent's own.
func (s *Server) cancel(ctx context.Context, c caller, in api.EmailRef) (out api.Receipt, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	id, err := pathID(in.Email)
	if err != nil {
		return out, err
	}
	m, err := s.covered(ctx, c, id)
	if err != nil {
		return out, err
	}
	if m.Mailbox.Key() != box.Key() || m.Direction == mail.Incoming {
		return out, missing("mail")
	}
	m, err = s.o.Gate.Cancel(ctx, c.Principal, id)
	if err != nil {
		return out, err
	}
	return api.Receipt{ID: string(m.ID), Status: statusWord(m, s.o.Now()), ThreadID: s.threadOf(ctx, m)}, nil
}

// noteRead records that somebody other than an agent of its mailbox reads a
// mail, before the words are handed out: no entry, no words.
func (s *Server) noteRead(ctx context.Context, c caller, id mail.ID, what string) error {
	if c.Kind == registry.KindAgent {
		return nil
	}
	return s.o.Gate.Note(ctx, c.Principal, audit.Record{Kind: audit.ContentRead, Mail: string(id),
		Facts: map[string]string{"door": c.door, "view": what}})
}
