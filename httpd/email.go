package httpd

import (
	"context"
	"errors"
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
		m, err = s.waitFor(r, m, time.Duration(seconds)*time.Second)
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
	var seen message.Content
	err := s.work(r.Context(), func() error {
		raw, err := s.o.Queue.Raw(r.Context(), m.ID)
		seen = message.NewContent(raw, maxText)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	e := api.Email{
		Summary: summaryOf(m, s.o.Now()), Cc: addresses(m.Header.Cc), Bcc: addresses(hidden(m)),
		Text: seen.Text, TextCut: seen.Cut, Digest: string(m.Digest), Rev: m.Rev, Size: m.Size,
		Recipients: recipientsOf(m, false), SendAt: m.NotBefore, Attempts: m.Attempts, FinishedAt: m.FinishedAt,
	}
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

// waitFor is settled for one of the requests that a principal may have waiting.
func (s *Server) waitFor(r *request, m *mail.Mail, limit time.Duration) (*mail.Mail, error) {
	leave, err := s.waiters.enter(r.p)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.settled(r.Context(), m, limit)
}

// settled waits until a held mail was decided, or a queued one is finished or
// held again, at most for the given time.
func (s *Server) settled(ctx context.Context, m *mail.Mail, limit time.Duration) (*mail.Mail, error) {
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
	return s.o.Gate.Note(r.Context(), r.p, audit.Record{Kind: audit.ContentRead, Mail: string(id),
		Facts: map[string]string{"door": r.door, "view": what}})
}
