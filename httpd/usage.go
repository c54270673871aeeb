package httpd

import (
	"cmp"
	"context"
	"slices"
	"strings"
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
	u := counts{Usage: api.Usage{From: from.UTC(), To: to.UTC(), Breakdown: in.Breakdown}, days: map[api.Daily]int{}}
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
	if in.Breakdown != "" {
		u.Data = u.daily()
	}
	return u.Usage, err
}

// counts is what was counted, in all and by day and event: a key has no count.
type counts struct {
	api.Usage
	days map[api.Daily]int
}

// add counts n events of a mail.
func (u *counts) add(sum *int, event string, m *mail.Mail, n int) {
	if n > 0 {
		*sum += n
		u.days[api.Daily{Date: m.SubmittedAt.UTC().Format(time.DateOnly), EventType: event}] += n
	}
}

// daily lists the days in their order.
func (u *counts) daily() []api.Daily {
	list := make([]api.Daily, 0, len(u.days))
	for day, n := range u.days {
		day.Count = n
		list = append(list, day)
	}
	slices.SortFunc(list, func(a, b api.Daily) int {
		return cmp.Or(strings.Compare(a.Date, b.Date), strings.Compare(a.EventType, b.EventType))
	})
	return list
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
func (s *Server) count(ctx context.Context, box mail.Address, u *counts, left *int) error {
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
				u.add(&u.EmailsSent, "emails_sent", m, 1)
			}
			u.add(&u.OversightActions, "oversight_actions", m, len(m.Decisions))
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
			u.add(&u.EmailsReceived, "emails_received", m, 1)
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
