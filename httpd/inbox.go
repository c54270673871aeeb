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
	"github.com/multimail/multimail/queue"
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
	if in.Query != "" {
		return s.search(ctx, box, in, f)
	}
	fetch := func(before mail.ID, n int) ([]api.Summary, error) {
		return s.emailPage(ctx, box, before, n, in)
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
// Ids of both sort by time. A status of the reader is looked up, any other is the
// caller's to choose by.
func (s *Server) emailPage(
	ctx context.Context, box mail.Address, before mail.ID, limit int, q api.EmailQuery,
) ([]api.Summary, error) {
	var items []inbox.Item
	var mails []queue.Listed
	of := inbox.Filter{Status: inbox.Status(q.Status)}
	if !slices.Contains(inbox.Statuses[:], of.Status) {
		of = inbox.Filter{}
	}
	if q.Direction != "inbound" && of.Status == "" {
		var err error
		if mails, err = s.o.Queue.ByMailbox(ctx, box, mail.Outgoing, before, limit); err != nil {
			return nil, err
		}
	}
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		var received []inbox.Item
		sent, err := s.o.Inbox.Items(tx, box, mails)
		if q.Direction != "outbound" && err == nil {
			received, err = s.o.Inbox.List(tx, box, of, before, limit)
		}
		items = append(sent, received...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(items, func(a, b inbox.Item) int { return strings.Compare(string(b.ID), string(a.ID)) })
	var all []api.Summary
	for _, i := range items[:min(len(items), limit)] {
		all = append(all, itemOf(box, i, s.o.Now()))
	}
	return all, nil
}

// items lists the inbox, newest first.
func (s *Server) items(
	ctx context.Context, box mail.Address, f inbox.Filter, limit int,
) (list []inbox.Item, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		list, err = s.o.Inbox.List(tx, box, f, "", limit)
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
	var of inbox.Filter
	if f.end == "" {
		of.Status = inbox.Unread
	}
	items, err := s.items(ctx, box, of, maxPage)
	if err != nil {
		return nil, err
	}
	found := newPage[api.Summary](maxPage)
	for _, i := range items {
		if i.Mail == nil {
			continue
		}
		v := receivedOf(i, s.o.Now())
		if i.ID > f.end && f.fits(v) {
			if more, err := found.add(v, damagedSummary(box, i.ID)); err != nil || !more {
				return found.items, err
			}
		}
	}
	return found.items, nil
}
