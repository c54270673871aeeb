package httpd

import (
	"context"
	"net/http"
	"slices"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// mails lists mail of every mailbox, newest first.
func (s *Server) mails(r *request) (answer, error) {
	limit, cursor, err := r.page()
	if err != nil {
		return answer{}, err
	}
	state := r.one("state")
	named := func(v mail.State) bool { return v.String() == state }
	if state != "" && !slices.ContainsFunc(mail.States[1:], named) {
		return answer{}, invalid("state must be held, ready, sending, sent, failed, rejected, cancelled or expired")
	}
	fetch := func(before mail.ID, n int) ([]queue.Listed, error) {
		return s.o.Queue.All(r.Context(), before, n)
	}
	if name := r.one("mailbox"); name != "" {
		box, err := mail.ParseAddress(name)
		if err != nil {
			return answer{}, err
		}
		fetch = func(before mail.ID, n int) ([]queue.Listed, error) {
			return s.o.Queue.ByMailbox(r.Context(), box, before, n)
		}
	}
	list := newPage[api.Mail](limit)
	next, err := gather(s, list, cursor, fetch, func(l queue.Listed) (mail.ID, *api.Mail, error) {
		if l.Mail == nil {
			v := damagedMail(l.ID)
			return l.ID, &v, nil // in every state: nobody knows it
		}
		if state != "" && l.Mail.State.String() != state {
			return l.ID, nil, nil
		}
		v := mailOf(l.Mail, s.o.Now())
		return l.ID, &v, nil
	}, damagedMail)
	return answer{http.StatusOK, api.Mails{Mails: list.items, Cursor: next}}, err
}

// damagedMail stands in a list for what cannot be shown.
func damagedMail(id mail.ID) api.Mail {
	return api.Mail{ID: string(id), Damaged: true, Recipients: []api.Recipient{}}
}

func (s *Server) mail(r *request) (answer, error) {
	m, err := s.mailFor(r)
	if err != nil {
		return answer{}, err
	}
	return ok(mailOf(m, s.o.Now()))
}

func (s *Server) cancelMail(r *request) (answer, error) { return s.order(r, s.o.Gate.Cancel) }
func (s *Server) retryMail(r *request) (answer, error)  { return s.order(r, s.o.Gate.Retry) }
func (s *Server) holdMail(r *request) (answer, error)   { return s.order(r, s.o.Gate.Hold) }

// order has the gate do one thing with a mail and shows how it stands then.
func (s *Server) order(
	r *request, do func(context.Context, registry.Principal, mail.ID) (*mail.Mail, error),
) (answer, error) {
	if err := empty(r); err != nil {
		return answer{}, err
	}
	m, err := s.mailFor(r)
	if err != nil {
		return answer{}, err
	}
	if m, err = do(r.Context(), r.p, m.ID); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, mailOf(m, s.o.Now())}, nil
}
