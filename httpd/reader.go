package httpd

import (
	"context"
	"errors"

	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Reader is the read-only view of the ledger (LAW 1).
type Reader interface {
	Mail(ctx context.Context, id mail.ID) (*mail.Mail, error)
	Raw(ctx context.Context, id mail.ID) ([]byte, error)
	InState(ctx context.Context, s mail.State, after mail.ID, limit int) ([]queue.Listed, error)
	ByMailbox(
		ctx context.Context, box mail.Address, d mail.Direction, before mail.ID, limit int,
	) ([]queue.Listed, error)
	All(ctx context.Context, before mail.ID, limit int) ([]queue.Listed, error)
	WatchMail(id mail.ID) (moved <-chan struct{}, stop func())
	WatchInbox(box mail.Address) (posted <-chan struct{}, stop func())
}

// mailFor returns the mail the path names if the principal's credential
// reaches its mailbox.
func (s *Server) mailFor(ctx context.Context, c caller, text string) (*mail.Mail, error) {
	id, err := pathID(text)
	if err != nil {
		return nil, err
	}
	return s.covered(ctx, c, id)
}

// covered returns a mail if the principal's credential reaches its mailbox.
func (s *Server) covered(ctx context.Context, c caller, id mail.ID) (*mail.Mail, error) {
	m, err := s.o.Queue.Mail(ctx, id)
	switch {
	case errors.Is(err, mail.ErrNotFound):
		return nil, missing("mail")
	case err != nil:
		return nil, err
	case !c.Covers(m.Mailbox):
		return nil, missing("mail")
	}
	return m, nil
}
