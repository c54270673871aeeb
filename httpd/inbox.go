package httpd

import (
	"context"
	"slices"
	"strings"

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
	if err := s.known(ctx, box); err != nil {
		return out, err
	}
	var last latest // read first: what comes meanwhile is for the next request
	if in.Cursor == "" {
		if last, err = s.latest(ctx, box); err != nil {
			return out, err
		}
	}
	switch {
	case in.Query != "":
		out, err = s.search(ctx, c, box, in, f)
	case f.since != "":
		out, err = s.since(ctx, box, in, f, last.at)
	default:
		out, err = s.byID(ctx, box, in, f)
	}
	if out.SinceID = string(last.id); in.Cursor == "" && last.id == "" {
		out.SinceID = in.SinceID
	}
	return out, err
}

// known fails for an address that is no mailbox here: an operator's credential covers every
// address, and a misspelt one is not empty.
func (s *Server) known(ctx context.Context, box mail.Address) error {
	return s.o.Store.View(ctx, func(tx store.Tx) error {
		_, err := s.o.Registry.Receives(tx, box)
		return err
	})
}

// byID lists the mail of a mailbox by its ids, newest first.
func (s *Server) byID(
	ctx context.Context, box mail.Address, in api.EmailQuery, f filter,
) (out api.Emails, _ error) {
	fetch := func(before mail.ID, n int) ([]api.Summary, error) {
		return s.emailPage(ctx, box, before, n, in)
	}
	list := newPage[api.Summary](in.Limit)
	next, err := gather(s, list, f.from(), fetch, func(v api.Summary) (mail.ID, *api.Summary, error) {
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
