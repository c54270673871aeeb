package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Reader reads the ledger in transactions of its own, for doors and for
// delivery. It cannot write (invariant 1).
type Reader struct {
	db  store.Store
	l   *Ledger
	log *slog.Logger
}

// NewReader returns a reader that reports damaged records to log.
func NewReader(db store.Store, l *Ledger, log *slog.Logger) *Reader { return &Reader{db, l, log} }

// Mail returns the mail as it stands now; mail.ErrNotFound if there is none.
func (r *Reader) Mail(ctx context.Context, id mail.ID) (m *mail.Mail, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		m, err = r.l.Load(tx, id)
		return err
	})
	return m, err
}

// Raw returns the canonical bytes of a mail (invariant 3).
func (r *Reader) Raw(ctx context.Context, id mail.ID) ([]byte, error) {
	b, err := r.db.Body(ctx, RawKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("queue: bytes of %s: %w", id, mail.ErrNotFound)
	}
	return b, err
}

// InState lists unfinished mail of one state, of both directions, oldest first, from the
// one after the given id.
func (r *Reader) InState(ctx context.Context, s mail.State, after mail.ID, limit int) ([]Listed, error) {
	return r.list(ctx, func(tx store.Tx) (out []Listed, err error) {
		for _, d := range mail.Directions {
			some, err := r.l.InState(tx, d, s, after, limit)
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
		slices.SortFunc(out, func(a, b Listed) int { return strings.Compare(string(a.ID), string(b.ID)) })
		return out[:min(len(out), limit)], nil
	})
}

// Quarantined lists incoming mail in quarantine, newest first, older than before.
func (r *Reader) Quarantined(ctx context.Context, before mail.ID, limit int) ([]Listed, error) {
	return r.list(ctx, func(tx store.Tx) ([]Listed, error) { return r.l.Quarantined(tx, before, limit) })
}

// ByMailbox lists the mail submitted from a mailbox, or received by it, newest
// first, older than before.
func (r *Reader) ByMailbox(
	ctx context.Context, box mail.Address, d mail.Direction, before mail.ID, limit int,
) ([]Listed, error) {
	return r.list(ctx, func(tx store.Tx) ([]Listed, error) { return r.l.ByMailbox(tx, box, d, before, limit) })
}

// All lists every mail, newest first, older than before.
func (r *Reader) All(ctx context.Context, before mail.ID, limit int) ([]Listed, error) {
	return r.list(ctx, func(tx store.Tx) ([]Listed, error) { return r.l.All(tx, before, limit) })
}

func (r *Reader) list(ctx context.Context, read func(store.Tx) ([]Listed, error)) (out []Listed, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		out, err = read(tx)
		return err
	})
	for _, e := range out {
		if e.Mail == nil {
			r.log.Error("damaged record", "mail", e.ID, "err", e.Err)
		}
	}
	return out, err
}

// Counts returns how many mails stand in each state.
func (r *Reader) Counts(ctx context.Context) (out map[mail.State]int, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		out, err = r.l.Counts(tx)
		return err
	})
	return out, err
}

// Changed returns a channel that is closed when some mail is written next.
func (r *Reader) Changed() <-chan struct{} { return r.l.Changed() }

// WatchMail returns a channel that is closed when the mail is written next.
// stop gives it up; whoever watches calls it.
func (r *Reader) WatchMail(id mail.ID) (written <-chan struct{}, stop func()) {
	return r.l.watchers.watch(mailKey(id))
}

// WatchInbox returns a channel that is closed when the mailbox receives its next
// mail. stop gives it up; whoever watches calls it.
func (r *Reader) WatchInbox(box mail.Address) (received <-chan struct{}, stop func()) {
	return r.l.watchers.watch(mailboxOf(mail.Incoming, box))
}
