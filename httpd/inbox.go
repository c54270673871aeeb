package httpd

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// emails lists what a mailbox sends and the notices in its inbox as one list.
func (s *Server) emails(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	limit, cursor, err := r.page()
	if err != nil {
		return answer{}, err
	}
	status, direction := r.one("status"), r.one("direction")
	if direction != "" && direction != "inbound" && direction != "outbound" {
		return answer{}, invalid("direction must be inbound or outbound")
	}
	if status != "" && !slices.Contains(statusWords[:], status) {
		return answer{}, invalid("status must be one of %s", strings.Join(statusWords[:], ", "))
	}
	since, err := r.id("since_id")
	if err != nil {
		return answer{}, err
	}
	fetch := func(before mail.ID, n int) ([]api.Summary, error) {
		return s.emailPage(r.Context(), box, before, n, direction)
	}
	list := newPage[api.Summary](limit)
	next, err := gather(s, list, cursor, fetch, func(v api.Summary) (mail.ID, *api.Summary, error) {
		id := mail.ID(v.ID)
		if id <= since {
			return id, nil, errEnd // everything further is older still
		}
		if status == "" || v.Status == status || v.Damaged {
			return id, &v, nil
		}
		return id, nil, nil
	}, func(id mail.ID) api.Summary { return damagedSummary(box, id) })
	return answer{http.StatusOK, api.Emails{Emails: list.items, Cursor: next}}, err
}

// damagedSummary stands in a list for what cannot be shown.
func damagedSummary(box mail.Address, id mail.ID) api.Summary {
	return api.Summary{ID: string(id), MailboxID: box.String(), ThreadID: string(id), Damaged: true, To: []string{}}
}

// statusWords are the words a list can be filtered by.
var statusWords = [...]string{
	api.StatusHeld, api.StatusScheduled, api.StatusQueued, api.StatusSent, api.StatusFailed,
	api.StatusRejected, api.StatusCancelled, api.StatusExpired, api.StatusUnread, api.StatusRead,
}

// emailPage returns the newest of both kinds below a cursor, newest first. Ids
// of both sort by time.
func (s *Server) emailPage(
	ctx context.Context, box mail.Address, before mail.ID, limit int, direction string,
) ([]api.Summary, error) {
	var all []api.Summary
	if direction != "inbound" {
		mails, err := s.o.Queue.ByMailbox(ctx, box, before, limit)
		if err != nil {
			return nil, err
		}
		for _, l := range mails {
			if l.Mail == nil {
				all = append(all, damagedSummary(box, l.ID))
				continue
			}
			all = append(all, summaryOf(l.Mail, s.o.Now()))
		}
	}
	if direction != "outbound" {
		items, err := s.items(ctx, box, before, limit)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			if i.Damaged {
				all = append(all, damagedSummary(box, i.ID))
				continue
			}
			all = append(all, noticeOf(i))
		}
	}
	slices.SortFunc(all, func(a, b api.Summary) int { return strings.Compare(b.ID, a.ID) })
	return all[:min(len(all), limit)], nil
}

// items lists the inbox, newest first.
func (s *Server) items(
	ctx context.Context, box mail.Address, before mail.ID, limit int,
) (list []inbox.Item, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		list, err = s.o.Inbox.List(tx, box, before, limit)
		return err
	})
	return list, err
}

// wait answers when mail that fits comes into the inbox.
func (s *Server) wait(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	seconds, err := r.number("timeout_seconds", 30, 5, 120)
	if err != nil {
		return answer{}, err
	}
	since, err := r.id("since_id")
	if err != nil {
		return answer{}, err
	}
	leave, err := s.waiters.enter(r.p)
	if err != nil {
		return answer{}, err
	}
	defer leave()
	start, waited := s.o.Now(), api.Waited{}
	watch := func() (<-chan struct{}, func()) { return s.o.Queue.WatchInbox(box) }
	waited.Timeout, err = s.await(r.Context(), time.Duration(seconds)*time.Second, watch, func() (bool, error) {
		found, err := s.arrived(r, box, since)
		waited.Found, waited.Emails = len(found) > 0, found
		return waited.Found, err
	})
	if err != nil {
		return answer{}, err
	}
	waited.WaitedSeconds = int(s.o.Now().Sub(start) / time.Second)
	if waited.Timeout {
		waited.WaitedSeconds = seconds
	}
	return ok(waited)
}

// arrived returns what is new in the inbox and fits, newest first: what came
// after an id, or without one what is unread.
func (s *Server) arrived(r *request, box mail.Address, since mail.ID) ([]api.Summary, error) {
	items, err := s.items(r.Context(), box, "", maxPage)
	if err != nil {
		return nil, err
	}
	found := newPage[api.Summary](maxPage)
	for _, i := range items {
		if i.Damaged {
			continue
		}
		fresh := i.ID > since
		if since == "" {
			fresh = !i.Read
		}
		if fresh && holds(i.From, r.one("sender")) && holds(i.Subject, r.one("subject_contains")) {
			if more, err := found.add(noticeOf(i), damagedSummary(box, i.ID)); err != nil || !more {
				return found.items, err
			}
		}
	}
	return found.items, nil
}

// holds reports whether part is in s, without regard to case.
func holds(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }
