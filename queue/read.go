package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Load returns the mail as it stands inside tx. ErrNotFound of package mail if
// there is none.
func (q *Queue) Load(tx store.Tx, id mail.ID) (*mail.Mail, error) { return load(tx, id) }

// Mail returns the mail as it stands now.
func (q *Queue) Mail(ctx context.Context, id mail.ID) (m *mail.Mail, err error) {
	err = q.db.View(ctx, func(tx store.Tx) error {
		m, err = load(tx, id)
		return err
	})
	return m, err
}

// Raw returns the canonical bytes of a mail (LAW 3).
func (q *Queue) Raw(ctx context.Context, id mail.ID) ([]byte, error) {
	b, err := q.db.Body(ctx, RawKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("queue: bytes of %s: %w", id, mail.ErrNotFound)
	}
	return b, err
}

// Listed is one mail of a list.
type Listed struct {
	ID   mail.ID
	Mail *mail.Mail // nil: its record is damaged or gone
}

// Held lists held mail, oldest first, from the one after the given id.
func (q *Queue) Held(ctx context.Context, after mail.ID, limit int) ([]Listed, error) {
	return q.InState(ctx, mail.Held, after, limit)
}

// InState lists unfinished mail of one state, oldest first, from the one after
// the given id.
func (q *Queue) InState(ctx context.Context, s mail.State, after mail.ID, limit int) ([]Listed, error) {
	r := store.Prefix(statePrefix + s.String() + "/")
	if after != "" {
		r.From = stateKey(s, after) + "\x00"
	}
	return q.list(ctx, r, limit, func(k string) string { return k[strings.LastIndexByte(k, '/')+1:] })
}

// ByMailbox lists the mail of one mailbox, newest first, older than before.
func (q *Queue) ByMailbox(ctx context.Context, box mail.Address, before mail.ID, limit int) ([]Listed, error) {
	r := store.Prefix(boxPrefix + box.Key() + "\x00")
	if before != "" {
		r.To = boxKey(box, before)
	}
	r.Reverse = true
	return q.list(ctx, r, limit, func(k string) string { return k[strings.LastIndexByte(k, 0)+1:] })
}

// All lists every mail, newest first, older than before.
func (q *Queue) All(ctx context.Context, before mail.ID, limit int) ([]Listed, error) {
	r := store.Prefix(mailPrefix)
	if before != "" {
		r.To = mailKey(before)
	}
	r.Reverse = true
	return q.list(ctx, r, limit, func(k string) string { return strings.TrimPrefix(k, mailPrefix) })
}

func (q *Queue) list(ctx context.Context, r store.Range, limit int, id func(key string) string) ([]Listed, error) {
	var out []Listed
	err := q.db.View(ctx, func(tx store.Tx) error {
		out = nil
		return space.Scan(tx, r, func(key string, _ []byte) error {
			if len(out) >= limit {
				return store.Stop
			}
			l := Listed{ID: mail.ID(id(key))}
			var err error
			if l.Mail, err = load(tx, l.ID); err != nil {
				q.o.Log.Error("damaged record", "mail", l.ID, "err", err)
			}
			out = append(out, l)
			return ctx.Err()
		})
	})
	return out, err
}

// Counts returns how many mails stand in each state.
func (q *Queue) Counts(ctx context.Context) (map[mail.State]int, error) {
	out := map[mail.State]int{}
	err := q.db.View(ctx, func(tx store.Tx) error {
		for _, s := range mail.States[1:] {
			n, err := readCount(tx, s)
			if err != nil {
				return err
			}
			out[s] = n
		}
		return nil
	})
	return out, err
}

// Changed returns a channel that is closed when some mail moves next. Whoever
// waits for one mail or mailbox uses WatchMail or WatchInbox.
func (q *Queue) Changed() <-chan struct{} { return q.changed.wait() }

// Wake tells workers that a transaction has changed something. Who calls Put or
// Move calls it after the commit.
func (q *Queue) Wake() {
	q.changed.fire()
	q.work.fire()
}

// Overdue lists held mail whose hold has expired by the store's clock.
func (q *Queue) Overdue(ctx context.Context) ([]mail.ID, error) {
	var ids []mail.ID
	err := q.db.View(ctx, func(tx store.Tx) error {
		ids = ids[:0]
		r := store.Range{From: heldPrefix, To: heldPrefix + stampTime(tx.Now()) + "0"}
		return space.Scan(tx, r, func(key string, _ []byte) error {
			ids = append(ids, mail.ID(key[len(heldPrefix)+17:]))
			return nil
		})
	})
	return ids, err
}
