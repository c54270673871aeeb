package httpd

import (
	"context"
	"errors"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// mails lists mail of every mailbox, newest first.
func (s *Server) mails(ctx context.Context, _ caller, in api.MailQuery) (out api.Mails, _ error) {
	cursor, err := queryID("cursor", in.Cursor)
	if err != nil {
		return out, err
	}
	fetch := func(before mail.ID, n int) ([]queue.Listed, error) {
		return s.o.Queue.All(ctx, before, n)
	}
	if in.Mailbox != "" {
		box, err := mail.ParseAddress(in.Mailbox)
		if err != nil {
			return out, err
		}
		fetch = func(before mail.ID, n int) ([]queue.Listed, error) {
			return s.o.Queue.ByMailbox(ctx, box, mail.Outgoing, before, n)
		}
	}
	waits, err := s.domainWaits(ctx)
	if err != nil {
		return out, err
	}
	list := newPage[api.Mail](in.Limit)
	next, err := gather(s, list, cursor, fetch, func(l queue.Listed) (mail.ID, *api.Mail, error) {
		if l.Mail == nil {
			v := damagedMail(l.ID)
			return l.ID, &v, nil // in every state: nobody knows it
		}
		if l.Mail.Direction == mail.Incoming || in.State != "" && l.Mail.State.String() != in.State {
			return l.ID, nil, nil
		}
		v := mailOf(l.Mail, s.o.Now())
		v.WaitsFor = waits(l.Mail)
		return l.ID, &v, nil
	}, damagedMail)
	return api.Mails{Mails: list.items, Cursor: next}, err
}

// damagedMail stands in a list for what cannot be shown.
func damagedMail(id mail.ID) api.Mail {
	return api.Mail{ID: string(id), Damaged: true, Recipients: []api.Recipient{}}
}

func (s *Server) mail(ctx context.Context, c caller, in api.MailRef) (out api.Mail, _ error) {
	m, err := s.mailFor(ctx, c, in.ID)
	if err != nil {
		return out, err
	}
	return s.standingOf(ctx, m)
}

// standingOf shows a mail with what it waits for.
func (s *Server) standingOf(ctx context.Context, m *mail.Mail) (api.Mail, error) {
	waits, err := s.domainWaits(ctx)
	if err != nil {
		return api.Mail{}, err
	}
	v := mailOf(m, s.o.Now())
	v.WaitsFor = waits(m)
	return v, nil
}

func (s *Server) cancelMail(ctx context.Context, c caller, in api.MailRef) (api.Mail, error) {
	return s.changeMail(ctx, c, in, s.o.Gate.Cancel)
}

func (s *Server) retryMail(ctx context.Context, c caller, in api.MailRef) (api.Mail, error) {
	return s.changeMail(ctx, c, in, s.o.Gate.Retry)
}

func (s *Server) holdMail(ctx context.Context, c caller, in api.MailRef) (api.Mail, error) {
	return s.changeMail(ctx, c, in, s.o.Gate.Hold)
}

// changeMail has the gate do one thing with a mail and shows how it stands then.
func (s *Server) changeMail(
	ctx context.Context, c caller, in api.MailRef,
	do func(context.Context, registry.Principal, mail.ID) (*mail.Mail, error),
) (out api.Mail, _ error) {
	m, err := s.mailFor(ctx, c, in.ID)
	if err != nil {
		return out, err
	}
	if m, err = do(ctx, c.Principal, m.ID); err != nil {
		return out, err
	}
	return s.standingOf(ctx, m)
}

// Reader is the read-only view of the ledger (invariant 1).
type Reader interface {
	Mail(ctx context.Context, id mail.ID) (*mail.Mail, error)
	Raw(ctx context.Context, id mail.ID) ([]byte, error)
	InState(ctx context.Context, s mail.State, after mail.ID, limit int) ([]queue.Listed, error)
	Quarantined(ctx context.Context, before mail.ID, limit int) ([]queue.Listed, error)
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
	case !c.Covers(m.Mailbox), c.Kind == registry.KindAgent && !m.Visible():
		return nil, missing("mail")
	}
	return m, nil
}
