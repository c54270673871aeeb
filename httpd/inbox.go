package httpd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// emails lists what a mailbox sends and what it has received as one list.
func (s *Server) emails(ctx context.Context, c caller, in api.EmailQuery) (out api.Emails, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	f, err := filterOf(in)
	if err != nil {
		return out, err
	}
	fetch := func(before mail.ID, n int) ([]api.Summary, error) {
		return s.emailPage(ctx, box, before, n, in.Direction)
	}
	list := newPage[api.Summary](in.Limit)
	next, err := gather(s, list, f.from, fetch, func(v api.Summary) (mail.ID, *api.Summary, error) {
		id := mail.ID(v.ID)
		if id <= f.end {
			return id, nil, errEnd // everything further is older still
		}
		if v.Damaged || f.fits(v) {
			return id, &v, nil
		}
		return id, nil, nil
	}, func(id mail.ID) api.Summary { return damagedSummary(box, id) })
	return api.Emails{Emails: list.items, Cursor: next}, err
}

// damagedSummary stands in a list for what cannot be shown.
func damagedSummary(box mail.Address, id mail.ID) api.Summary {
	return api.Summary{ID: string(id), MailboxID: box.String(), ThreadID: string(id), Damaged: true, To: []string{}}
}

// emailPage returns the newest of both directions below a cursor, newest first.
// Ids of both sort by time.
func (s *Server) emailPage(
	ctx context.Context, box mail.Address, before mail.ID, limit int, direction string,
) ([]api.Summary, error) {
	var all []api.Summary
	if direction != "inbound" {
		mails, err := s.o.Queue.ByMailbox(ctx, box, mail.Outgoing, before, limit)
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
			if i.Mail == nil {
				all = append(all, damagedSummary(box, i.ID))
				continue
			}
			all = append(all, receivedOf(i, s.o.Now()))
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

// maxWait is the longest that a request waits: clients and proxies give up after a
// minute.
const maxWait = 45 * time.Second

// waitFor is how long a request waits that asks for so many seconds.
func waitFor(seconds int) time.Duration { return min(time.Duration(seconds)*time.Second, maxWait) }

// wait answers when mail that fits comes into the inbox.
func (s *Server) wait(ctx context.Context, c caller, in api.WaitQuery) (out api.Waited, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	f, err := filterOf(api.EmailQuery{Sender: in.Sender, SubjectContains: in.SubjectContains, SinceID: in.SinceID})
	if err != nil {
		return out, err
	}
	limit := waitFor(in.TimeoutSeconds)
	start, waited := s.o.Now(), api.Waited{}
	watch := func() (<-chan struct{}, func()) { return s.o.Queue.WatchInbox(box) }
	waited.Timeout, err = s.await(ctx, limit, watch, func() (bool, error) {
		found, err := s.arrived(ctx, box, f)
		waited.Found, waited.Emails = len(found) > 0, found
		return waited.Found, err
	})
	if err == nil {
		err = s.stillValid(ctx, c)
	}
	if err != nil {
		return out, err
	}
	waited.WaitedSeconds = int(s.o.Now().Sub(start) / time.Second)
	if waited.Timeout {
		waited.WaitedSeconds = int(limit / time.Second)
	}
	return waited, nil
}

// arrived returns what is new in the inbox and fits, newest first: what came
// after an id, or without one what is unread.
func (s *Server) arrived(
	ctx context.Context, box mail.Address, f filter,
) ([]api.Summary, error) {
	items, err := s.items(ctx, box, "", maxPage)
	if err != nil {
		return nil, err
	}
	found := newPage[api.Summary](maxPage)
	for _, i := range items {
		if i.Mail == nil {
			continue
		}
		fresh := i.ID > f.end
		if f.end == "" {
			fresh = !i.Read
		}
		v := receivedOf(i, s.o.Now())
		if fresh && f.fits(v) {
			if more, err := found.add(v, damagedSummary(box, i.ID)); err != nil || !more {
				return found.items, err
			}
		}
	}
	return found.items, nil
}
