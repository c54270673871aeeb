package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

var space = store.NewSpace(todoPrefix)

const todoPrefix = "search-todo/"

// Note has the index look at a mail again. Whoever changes whether a mailbox may see
// a mail notes it in the transaction of the change.
func Note(tx store.Tx, id mail.ID) error {
	n, err := noted(tx, id)
	if err != nil {
		return err
	}
	if n.count++; n.count == 1 {
		n.since = tx.Now()
	}
	if err := space.Put(tx, todoPrefix+string(id), n.bytes()); err != nil {
		return fmt.Errorf("search: note %s: %w", id, err)
	}
	return nil
}

// note is the value of a key: how often the mail was noted since the index has
// looked at it, and since when. A mail that is noted while it is looked at has
// another count afterwards, and stays on the list.
type note struct {
	count int
	since time.Time
}

func (n note) bytes() []byte { return fmt.Appendf(nil, "%d %d", n.count, n.since.UnixMilli()) }

func parseNote(b []byte) (n note) {
	var ms int64
	if _, err := fmt.Sscanf(string(b), "%d %d", &n.count, &ms); err == nil {
		n.since = time.UnixMilli(ms)
	}
	return n
}

// noted returns the note of a mail; the zero note for none.
func noted(tx store.Tx, id mail.ID) (note, error) {
	b, err := space.Get(tx, todoPrefix+string(id))
	if errors.Is(err, store.ErrNotFound) {
		return note{}, nil
	}
	if err != nil {
		return note{}, fmt.Errorf("search: read the note of %s: %w", id, err)
	}
	return parseNote(b), nil
}

// job is one mail that was noted, as it stood when the note was read.
type job struct {
	id   mail.ID
	note note
	mail *mail.Mail // nil: the mailbox may not see it, or its record is damaged
}

// jobs returns the next mail that was noted, and for how long the first of it has waited.
func (x *Index) jobs(ctx context.Context, limit int) (out []job, lag time.Duration, err error) {
	err = x.o.DB.View(ctx, func(tx store.Tx) error {
		out, lag = nil, 0
		return space.Scan(tx, store.Prefix(todoPrefix), func(key string, value []byte) error {
			if len(out) == limit {
				return store.Stop
			}
			j := job{id: mail.ID(strings.TrimPrefix(key, todoPrefix)), note: parseNote(value)}
			if len(out) == 0 {
				lag = tx.Now().Sub(j.note.since)
			}
			m, err := x.o.Ledger.Load(tx, j.id)
			if err == nil && m.Visible() {
				j.mail = m
			}
			if err != nil && !errors.Is(err, mail.ErrNotFound) {
				x.o.Log.Error("damaged record", "mail", j.id, "err", err)
			}
			out = append(out, j)
			return nil
		})
	})
	return out, lag, err
}

// done takes jobs off the list, but for those that were noted again.
func (x *Index) done(ctx context.Context, jobs []job) error {
	return x.o.DB.Update(ctx, func(tx store.Tx) error {
		for _, j := range jobs {
			n, err := noted(tx, j.id)
			if err == nil && n.count == j.note.count {
				err = space.Delete(tx, todoPrefix+string(j.id))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Backlog returns how much mail the index has not looked at yet, and since when the
// oldest of it waits.
func Backlog(ctx context.Context, db store.Store) (mails int, oldest time.Time, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		mails, oldest = 0, time.Time{}
		return space.Scan(tx, store.Prefix(todoPrefix), func(_ string, value []byte) error {
			mails++
			if n := parseNote(value); oldest.IsZero() || n.since.Before(oldest) {
				oldest = n.since
			}
			return nil
		})
	})
	return mails, oldest, err
}
