package httpd

import (
	"context"
	"errors"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Search finds mail by its words.
type Search interface {
	// Search returns the ids of the mail of a mailbox that a query finds, newest
	// first, older than before. Its errors are those of package mail.
	Search(ctx context.Context, box mail.Address, query string, before mail.ID, limit int) ([]mail.ID, error)
	// Rebuild has the index made anew, and does not wait for it.
	Rebuild()
}

// noSearch finds nothing.
type noSearch struct{}

func (noSearch) Search(context.Context, mail.Address, string, mail.ID, int) ([]mail.ID, error) {
	return nil, mail.ErrUnavailable.Errorf("there is no search index here; leave query out")
}

func (noSearch) Rebuild() {}

// match is one mail that a query has found.
type match struct {
	id      mail.ID
	at      mail.ID      // its place in the order in which the mailbox got its mail
	summary *api.Summary // nil: it is not shown
}

// matched returns a mail that a query has found. The index says only where to look:
// whether the mailbox may see a mail, the ledger says now.
func (s *Server) matched(
	ctx context.Context, box mail.Address, direction string, id mail.ID,
) (match, error) {
	var item inbox.Item
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		item, err = s.o.Inbox.Item(tx, box, id)
		return err
	})
	if errors.Is(err, mail.ErrNotFound) || err == nil && !isDirection(item, direction) {
		return match{id: id}, nil
	}
	if err != nil {
		return match{}, err
	}
	v := itemOf(box, item, s.o.Now())
	return match{id, item.Place, &v}, nil
}

// maxFound is how many mails that a query finds one request reads, to find those that fit
// the other filters.
const maxFound = maxPage

// search lists what a query finds of the mail of a mailbox. A principal has one search at
// a time, and a request makes one: nobody waits for more of the queries of another.
func (s *Server) search(
	ctx context.Context, c caller, box mail.Address, in api.EmailQuery, f filter,
) (out api.Emails, _ error) {
	leave, err := s.finders.enter(c.Principal)
	if err != nil {
		return out, err
	}
	defer leave()
	after, err := s.placeOf(ctx, box, f.since)
	if err != nil {
		return out, err
	}
	ids, err := s.o.Search.Search(ctx, box, in.Query, f.from(), maxFound)
	if err != nil {
		return out, err
	}
	var rest mail.ID // where the next request goes on that finds no place for more here
	if len(ids) == maxFound {
		rest = ids[maxFound-1]
	}
	fetch := func(mail.ID, int) (some []mail.ID, _ error) {
		some, ids = ids, nil
		return some, nil
	}
	list := newPage[api.Summary](in.Limit)
	next, err := gather(s, list, f.from(), fetch, func(id mail.ID) (mail.ID, *api.Summary, error) {
		if id <= f.end {
			rest = "" // everything further is older still
			return id, nil, errEnd
		}
		m, err := s.matched(ctx, box, in.Direction, id)
		if err != nil || m.summary == nil || m.at <= after || !f.fits(*m.summary) {
			return id, nil, err
		}
		return id, m.summary, nil
	}, func(id mail.ID) api.Summary { return damagedSummary(box, id) })
	if next == "" && rest > f.end {
		next = string(rest)
	}
	return api.Emails{Emails: list.items, Cursor: next}, err
}

// reindex has the search index made anew.
func (s *Server) reindex(ctx context.Context, c caller, _ api.None) (out api.Done, _ error) {
	err := s.o.Gate.Note(ctx, c.Principal, audit.Record{Kind: audit.SearchRebuild,
		Facts: map[string]string{"door": c.door}})
	if err != nil {
		return out, err
	}
	s.o.Search.Rebuild()
	return api.Done{Status: "building"}, nil
}
