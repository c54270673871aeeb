package httpd

import (
	"context"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Bounds of usage.
const (
	maxSpan      = 366 * 24 * time.Hour // the longest time it counts over
	maxUsageScan = 10_000               // mails and notices one request reads
)

// usage counts over the store itself: there is no counter that could drift.
func (s *Server) usage(ctx context.Context, c caller, in api.UsageQuery) (out api.Usage, _ error) {
	from, to := in.From, in.To
	if to.IsZero() {
		to = s.o.Now()
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -30)
	}
	if !from.Before(to) || to.Sub(from) > maxSpan {
		return out, invalid("from must be before to, by at most a year")
	}
	boxes, err := s.reach(ctx, c)
	if err != nil {
		return out, err
	}
	u := api.Usage{From: from.UTC(), To: to.UTC()}
	left := maxUsageScan
	err = s.work(ctx, c, func() error {
		for _, box := range boxes {
			if err := s.count(ctx, box, &u, &left); err != nil {
				return err
			}
		}
		return nil
	})
	if left == 0 {
		u.Partial = true
		s.o.Metrics.Limits.WithLabelValues(string(mail.LimitUsageScan)).Inc()
	}
	return u, err
}

// reach returns every mailbox the principal's credential reaches.
func (s *Server) reach(ctx context.Context, c caller) (boxes []mail.Address, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := s.o.Registry.Mailboxes(tx)
		boxes = nil
		for _, m := range all {
			if c.Covers(m.Address) {
				boxes = append(boxes, m.Address)
			}
		}
		return err
	})
	return boxes, err
}

// count adds one mailbox to u, walking back from the end of the span. left is
// how many more mails and notices the request may read; 0 ends it.
func (s *Server) count(ctx context.Context, box mail.Address, u *api.Usage, left *int) error {
	end := mail.NewID(u.To)
	err := walk(end, left, func(before mail.ID, n int) ([]queue.Listed, error) {
		return s.o.Queue.ByMailbox(ctx, box, mail.Outgoing, before, n)
	}, func(l queue.Listed) (mail.ID, bool) {
		switch m := l.Mail; {
		case m == nil: // damaged: nothing to count
		case m.SubmittedAt.Before(u.From):
			return l.ID, false
		default:
			if m.State == mail.Sent {
				u.EmailsSent++
			}
			u.OversightActions += len(m.Decisions)
		}
		return l.ID, true
	})
	if err != nil {
		return err
	}
	return walk(end, left, func(before mail.ID, n int) ([]queue.Listed, error) {
		return s.o.Queue.ByMailbox(ctx, box, mail.Incoming, before, n)
	}, func(l queue.Listed) (mail.ID, bool) {
		switch m := l.Mail; {
		case m == nil: // damaged: nothing to count
		case m.SubmittedAt.Before(u.From):
			return l.ID, false
		default:
			u.EmailsReceived++
		}
		return l.ID, true
	})
}

// walk goes through a list from its newest item on until use says that it has
// seen enough, or nothing more may be looked at.
func walk[T any](
	before mail.ID, left *int, fetch func(mail.ID, int) ([]T, error), use func(T) (mail.ID, bool),
) error {
	for *left > 0 {
		n := min(maxPage, *left)
		items, err := fetch(before, n)
		if err != nil {
			return err
		}
		for _, item := range items {
			*left--
			var more bool
			if before, more = use(item); !more {
				return nil
			}
		}
		if len(items) < n {
			return nil
		}
	}
	return nil
}
