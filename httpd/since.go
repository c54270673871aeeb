package httpd

import (
	"context"
	"slices"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// since lists what a mailbox got after a mail, in the order in which it got it, newest
// first: what was let in late is newer than what stood in the mailbox by then, whatever
// its id. A cursor of such a list is a place of that order; without
// one the list begins at newest.
func (s *Server) since(
	ctx context.Context, box mail.Address, in api.EmailQuery, f filter, newest mail.ID,
) (out api.Emails, _ error) {
	after, err := s.placeOf(ctx, box, f.since)
	if err != nil {
		return out, err
	}
	fetch := func(before mail.ID, n int) ([]inbox.Place, error) { return s.places(ctx, box, after, before, true, n) }
	var last mail.ID // whose summary is added
	list := newPage[api.Summary](in.Limit)
	next, err := gather(s, list, f.cursor, fetch, func(p inbox.Place) (mail.ID, *api.Summary, error) {
		if p.Item == nil || f.cursor == "" && p.At > newest || !f.within(p.Item.ID) || !isDirection(*p.Item, in.Direction) {
			return p.At, nil, nil
		}
		v := itemOf(box, *p.Item, s.o.Now())
		if last = p.Item.ID; v.Damaged || f.fits(v) {
			return p.At, &v, nil
		}
		return p.At, nil, nil
	}, func(mail.ID) api.Summary { return damagedSummary(box, last) })
	return api.Emails{Emails: list.items, Cursor: next}, err
}

// isDirection reports whether a mail is of a direction, "" for both. Received mail alone
// has a status of its reader.
func isDirection(i inbox.Item, direction string) bool {
	return direction == "" || (direction == "inbound") == (i.Status != "")
}

// placeOf returns where a mail stands in the order in which its mailbox got its mail; ""
// stands before all of it.
func (s *Server) placeOf(ctx context.Context, box mail.Address, id mail.ID) (at mail.ID, err error) {
	if id == "" {
		return "", nil
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		at, err = s.o.Inbox.PlaceOf(tx, box, id)
		return err
	})
	return at, err
}

func (s *Server) places(
	ctx context.Context, box mail.Address, after, before mail.ID, newest bool, n int,
) (list []inbox.Place, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		list, err = s.o.Inbox.Between(tx, box, after, before, newest, n)
		return err
	})
	return list, err
}

// latest is how far a mailbox has come.
type latest struct {
	id mail.ID // of the last mail that it got and shows; who asks with it learns what came later
	at mail.ID // the last place
}

// fewPlaces is how many places are looked at together for the last mail that is shown. It is
// nearly always the first of them, and each costs a record to read.
const fewPlaces = 4

func (s *Server) latest(ctx context.Context, box mail.Address) (l latest, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		l = latest{}
		for before, n := mail.ID(""), 0; n < maxPage; n += fewPlaces {
			list, err := s.o.Inbox.Between(tx, box, "", before, true, fewPlaces)
			if err != nil {
				return err
			}
			for _, p := range list {
				if l.at == "" {
					l.at = p.At
				}
				if p.Item != nil {
					l.id = p.Item.ID
					return nil
				}
				before = p.At
			}
			if len(list) < fewPlaces {
				return nil
			}
		}
		return nil
	})
	return l, err
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
	start := s.o.Now()
	l := &look{box: box, f: f, found: newPage[api.Summary](maxPage), last: f.since}
	watch := func() (<-chan struct{}, func()) { return s.o.Queue.WatchInbox(box) }
	check := func() (bool, error) {
		err := s.look(ctx, l)
		return len(l.found.items) > 0, err
	}
	return out, &parked{limit: limit, watch: watch, check: check, answer: func(late bool) (any, error) {
		if err := s.stillValid(ctx, c); err != nil {
			return nil, err
		}
		return l.waited(late, limit, s.o.Now().Sub(start)), nil
	}}
}

// waited is the answer of a wait that took so long, and was late if nothing came in time.
func (l *look) waited(late bool, limit, took time.Duration) api.Waited {
	waited := api.Waited{Timeout: late, Found: len(l.found.items) > 0, Emails: l.found.items}
	if l.f.since != "" {
		slices.Reverse(waited.Emails)
		waited.SinceID = string(l.last)
	}
	waited.WaitedSeconds = int(took / time.Second)
	if late {
		waited.WaitedSeconds = int(limit / time.Second)
	}
	return waited
}

// look is what a wait has looked at. Each mail is looked at once, however many others
// wake the wait.
type look struct {
	box   mail.Address
	f     filter
	begun bool
	at    mail.ID // the place up to which everything was looked at
	last  mail.ID // the last mail there
	found *page[api.Summary]
}

// maxUnread is how much unread mail a wait looks at that was there before it.
const maxUnread = 10 * maxScan

// look looks for what fits: among what came after an id, or without one among what is
// unread, newest first; and from then on among what comes.
func (s *Server) look(ctx context.Context, l *look) (err error) {
	if !l.begun && l.f.since != "" {
		l.at, err = s.placeOf(ctx, l.box, l.f.since)
	} else if !l.begun {
		var now latest
		if now, err = s.latest(ctx, l.box); err == nil {
			l.at = now.at
			err = s.lookUnread(ctx, l)
		}
	}
	if l.begun = true; err != nil || len(l.found.items) > 0 {
		return err
	}
	for {
		list, err := s.places(ctx, l.box, l.at, "", false, maxPage)
		if err != nil {
			return err
		}
		for _, p := range list {
			if taken, err := s.take(l, p.Item); err != nil || !taken {
				return err
			}
			if l.at = p.At; p.Item != nil {
				l.last = p.Item.ID
			}
		}
		if len(list) < maxPage {
			return nil
		}
	}
}

// lookUnread looks at the unread mail that there is.
func (s *Server) lookUnread(ctx context.Context, l *look) error {
	for before, n := mail.ID(""), 0; n < maxUnread; n += maxPage {
		var list []inbox.Item
		err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
			list, err = s.o.Inbox.List(tx, l.box, inbox.Filter{Status: inbox.Unread}, before, maxPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, i := range list {
			if taken, err := s.take(l, &i); err != nil || !taken {
				return err
			}
			before = i.ID
		}
		if len(list) < maxPage {
			return nil
		}
	}
	return nil
}

// take adds a mail to what was found if it fits; false: there is no space for it.
func (s *Server) take(l *look, i *inbox.Item) (bool, error) {
	if i == nil || i.Mail == nil || i.Mail.Direction != mail.Incoming || l.f.since == "" && i.Status != inbox.Unread {
		return true, nil
	}
	v := receivedOf(*i, s.o.Now())
	if !l.f.fits(v) {
		return true, nil
	}
	return l.found.add(v, damagedSummary(l.box, i.ID))
}
