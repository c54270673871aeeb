package httpd

import (
	"context"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxSpan is the longest time that usage counts over.
const maxSpan = 366 * 24 * time.Hour

// usage counts over the store itself: there is no counter that could drift.
func (s *Server) usage(r *request) (answer, error) {
	to, err := r.when("to", s.o.Now())
	if err != nil {
		return answer{}, err
	}
	from, err := r.when("from", to.AddDate(0, 0, -30))
	if err != nil {
		return answer{}, err
	}
	if !from.Before(to) || to.Sub(from) > maxSpan {
		return answer{}, invalid("from must be before to, by at most a year")
	}
	boxes, err := s.reach(r)
	if err != nil {
		return answer{}, err
	}
	u := api.Usage{From: from.UTC(), To: to.UTC()}
	for _, box := range boxes {
		if err := s.count(r.Context(), box, &u); err != nil {
			return answer{}, err
		}
	}
	return ok(u)
}

// reach returns every mailbox the principal's credential reaches.
func (s *Server) reach(r *request) (boxes []mail.Address, err error) {
	err = s.o.Store.View(r.Context(), func(tx store.Tx) error {
		all, err := s.o.Registry.Mailboxes(tx)
		boxes = nil
		for _, m := range all {
			if r.p.Covers(m.Address) {
				boxes = append(boxes, m.Address)
			}
		}
		return err
	})
	return boxes, err
}

// count adds one mailbox to u, walking back from the end of the span.
func (s *Server) count(ctx context.Context, box mail.Address, u *api.Usage) error {
	end := mail.NewID(u.To)
	for before := end; ; {
		mails, err := s.o.Queue.ByMailbox(ctx, box, before, maxPage)
		if err != nil {
			return err
		}
		for _, m := range mails {
			if m.SubmittedAt.Before(u.From) {
				mails = nil
				break
			}
			if m.State == mail.Sent {
				u.EmailsSent++
			}
			u.OversightActions += len(m.Decisions)
			before = m.ID
		}
		if len(mails) < maxPage {
			break
		}
	}
	for before := end; ; {
		items, err := s.items(ctx, box, before, maxPage)
		if err != nil {
			return err
		}
		for _, i := range items {
			if i.ReceivedAt.Before(u.From) {
				return nil
			}
			u.EmailsReceived++
			before = i.ID
		}
		if len(items) < maxPage {
			return nil
		}
	}
}
