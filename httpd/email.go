package httpd

import (
	"context"
	"errors"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// email shows one mail or notice of a mailbox.
func (s *Server) email(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	id, err := r.pathID("email")
	if err != nil {
		return answer{}, err
	}
	seconds, err := r.number("wait_seconds", 0, 0, 45)
	if err != nil {
		return answer{}, err
	}
	m, err := s.o.Queue.Mail(r.Context(), id)
	if errors.Is(err, mail.ErrNotFound) || err == nil && m.Mailbox.Key() != box.Key() {
		return s.notice(r, box, id)
	}
	if err == nil && seconds > 0 {
		m, err = s.settled(r.Context(), m, time.Duration(seconds)*time.Second)
	}
	if err != nil {
		return answer{}, err
	}
	return s.ownMail(r, m)
}

// ownMail shows a mail to who sent it: its words and what became of it.
func (s *Server) ownMail(r *request, m *mail.Mail) (answer, error) {
	if err := s.noteRead(r, m.ID, "email"); err != nil {
		return answer{}, err
	}
	raw, err := s.o.Queue.Raw(r.Context(), m.ID)
	if err != nil {
		return answer{}, err
	}
	seen := mail.NewReview(raw)
	e := api.Email{
		Summary: summaryOf(m, s.o.Now()), Cc: addresses(m.Header.Cc), Bcc: addresses(hidden(m)),
		Text: seen.Text(), Digest: string(m.Digest), Rev: m.Rev, Size: m.Size,
		Recipients: recipientsOf(m, false), SendAt: m.NotBefore, Attempts: m.Attempts, FinishedAt: m.FinishedAt,
	}
	if e.Text == "" {
		e.Text = seen.HTML()
	}
	for _, p := range seen.Parts {
		if p.Attachment {
			e.Attachments = append(e.Attachments, api.File{Name: p.Name, ContentType: p.Type, Size: p.Size})
		}
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
	return ok(e)
}

// notice shows an item of the inbox. It counts as read once its agent has it.
func (s *Server) notice(r *request, box mail.Address, id mail.ID) (answer, error) {
	var item inbox.Item
	err := s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		item, err = s.o.Inbox.Item(tx, box, id)
		return err
	})
	if errors.Is(err, mail.ErrNotFound) {
		return answer{}, missing("mail")
	}
	if err == nil {
		err = s.noteRead(r, id, "notice")
	}
	if err == nil && r.p.Kind == registry.KindAgent && !item.Read {
		item.Read = true
		err = s.o.Store.Update(r.Context(), func(tx store.Tx) error { return s.o.Inbox.MarkRead(tx, box, id) })
	}
	if err != nil {
		return answer{}, err
	}
	return ok(api.Email{Summary: noticeOf(item), Text: item.Text, Size: item.Size})
}

// settled waits until a held mail was decided, or a queued one is finished or
// held again, at most for the given time.
func (s *Server) settled(ctx context.Context, m *mail.Mail, limit time.Duration) (*mail.Mail, error) {
	timeout, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	first := stage(m)
	for {
		moved := s.o.Queue.Changed()
		now, err := s.o.Queue.Mail(ctx, m.ID)
		if err != nil || now.State.Final() || stage(now) != first {
			return now, err
		}
		select {
		case <-moved:
		case <-timeout.Done():
			return now, ctx.Err()
		case <-s.closing:
			return now, nil
		}
	}
}

// stage tells apart what a waiting author cares for: an attempt more or less
// is no news.
func stage(m *mail.Mail) mail.State {
	if m.State == mail.Sending {
		return mail.Ready
	}
	return m.State
}

// cancel withdraws a mail of the agent's own.
func (s *Server) cancel(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	id, err := r.pathID("email")
	if err != nil {
		return answer{}, err
	}
	if err := empty(r); err != nil {
		return answer{}, err
	}
	m, err := s.covered(r, id)
	if err != nil {
		return answer{}, err
	}
	if m.Mailbox.Key() != box.Key() {
		return answer{}, missing("mail")
	}
	m, err = s.o.Gate.Cancel(r.Context(), r.p, id)
	if err != nil {
		return answer{}, err
	}
	return ok(api.Receipt{ID: string(m.ID), Status: statusWord(m, s.o.Now()), ThreadID: string(m.ID)})
}

// noteRead records that somebody other than an agent of its mailbox reads a
// mail, before the words are handed out: no entry, no words.
func (s *Server) noteRead(r *request, id mail.ID, what string) error {
	if r.p.Kind == registry.KindAgent {
		return nil
	}
	return s.note(r.Context(), r.p, audit.Record{Kind: "content.read", Mail: string(id),
		Facts: map[string]string{"door": r.door, "view": what}})
}
