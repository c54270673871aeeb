package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Load returns the mail as it stands inside tx; mail.ErrNotFound if there is
// none.
func (l *Ledger) Load(tx store.Tx, id mail.ID) (*mail.Mail, error) {
	b, err := space.Get(tx, mailKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("queue: %s: %w", id, mail.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: read %s: %w", id, err)
	}
	m := new(mail.Mail)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("queue: read %s: %w", id, err)
	}
	if m.ID != id || m.State == mail.New || m.Mailbox.IsZero() {
		return nil, fmt.Errorf("queue: read %s: %w", id, errDamaged)
	}
	return m, nil
}

// errDamaged: what stands in the place of a record is JSON and no mail.
var errDamaged = errors.New("the record is damaged")

// Listed is one mail of a list.
type Listed struct {
	ID   mail.ID
	Mail *mail.Mail // nil: its record is damaged or gone
	Err  error      // why Mail is nil
}

// InState lists unfinished mail of one direction and state, oldest first, from
// the one after the given id.
func (l *Ledger) InState(tx store.Tx, d mail.Direction, s mail.State, after mail.ID, limit int) ([]Listed, error) {
	r := store.Prefix(statesOf(d, s))
	if after != "" {
		r.From = statesOf(d, s) + string(after) + "\x00"
	}
	return l.list(tx, r, limit, func(k string) string { return k[strings.LastIndexByte(k, '/')+1:] })
}

// Quarantined lists incoming mail in quarantine, newest first, older than before.
func (l *Ledger) Quarantined(tx store.Tx, before mail.ID, limit int) ([]Listed, error) {
	prefix := statesOf(mail.Incoming, mail.Quarantined)
	r := store.Prefix(prefix)
	if before != "" {
		r.To = prefix + string(before)
	}
	r.Reverse = true
	return l.list(tx, r, limit, func(k string) string { return k[strings.LastIndexByte(k, '/')+1:] })
}

// ByMailbox lists the mail of one mailbox, newest first, older than before:
// what was submitted from it, or what it has received.
func (l *Ledger) ByMailbox(
	tx store.Tx, box mail.Address, d mail.Direction, before mail.ID, limit int,
) ([]Listed, error) {
	r := store.Prefix(mailboxOf(d, box))
	if before != "" {
		r.To = mailboxOf(d, box) + string(before)
	}
	r.Reverse = true
	return l.list(tx, r, limit, func(k string) string { return k[strings.LastIndexByte(k, 0)+1:] })
}

// All lists every mail, newest first, older than before.
func (l *Ledger) All(tx store.Tx, before mail.ID, limit int) ([]Listed, error) {
	r := store.Prefix(mailPrefix)
	if before != "" {
		r.To = mailKey(before)
	}
	r.Reverse = true
	return l.list(tx, r, limit, func(k string) string { return strings.TrimPrefix(k, mailPrefix) })
}

// Kept lists mail of a mailbox that is over and not erased, of both directions, oldest
// first, from the one after the given id.
func (l *Ledger) Kept(tx store.Tx, box mail.Address, after mail.ID, limit int) ([]Listed, error) {
	prefix := keptPrefix + box.Key() + "\x00"
	r := store.Prefix(prefix)
	if after != "" {
		r.From = prefix + string(after) + "\x00"
	}
	return l.list(tx, r, limit, func(k string) string { return k[len(prefix):] })
}

// Refused lists incoming mail that ended before a time without its mailbox getting it,
// oldest first, behind a cursor that an earlier call returned.
func (l *Ledger) Refused(
	tx store.Tx, before time.Time, cursor string, limit int,
) (ids []mail.ID, next string, err error) {
	keys, err := space.Before(tx, refusedPrefix, before, cursor, limit)
	for _, key := range keys {
		ids, next = append(ids, mail.ID(key[strings.LastIndexByte(key, '/')+1:])), key
	}
	return ids, next, err
}

// Oldest lists the oldest mail that a mailbox has received.
func (l *Ledger) Oldest(tx store.Tx, box mail.Address, limit int) ([]Listed, error) {
	prefix := mailboxOf(mail.Incoming, box)
	return l.list(tx, store.Prefix(prefix), limit, func(k string) string { return k[len(prefix):] })
}

// Reindex writes the indexes that a mail of an earlier format lacks, for up to limit mails
// after an id, oldest first, and returns them. Only internal/upgrade calls it.
func (l *Ledger) Reindex(tx store.Tx, after mail.ID, limit int) ([]Listed, error) {
	r := store.Prefix(mailPrefix)
	if after != "" {
		r.From = mailKey(after) + "\x00"
	}
	list, err := l.list(tx, r, limit, func(k string) string { return strings.TrimPrefix(k, mailPrefix) })
	for _, i := range list {
		if err == nil && i.Mail != nil {
			err = putIndexes(tx, i.Mail)
		}
	}
	return list, err
}

func (l *Ledger) list(tx store.Tx, r store.Range, limit int, id func(key string) string) (out []Listed, err error) {
	err = space.Scan(tx, r, func(key string, _ []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		e := Listed{ID: mail.ID(id(key))}
		e.Mail, e.Err = l.Load(tx, e.ID)
		out = append(out, e)
		return nil
	})
	return out, err
}

// Overdue lists held mail whose hold has expired by the store's clock.
func (l *Ledger) Overdue(tx store.Tx) (ids []mail.ID, err error) {
	r := store.Range{From: heldPrefix, To: heldPrefix + store.Stamp(tx.Now()) + "0"}
	err = space.Scan(tx, r, func(key string, _ []byte) error {
		ids = append(ids, mail.ID(key[len(heldPrefix)+17:]))
		return nil
	})
	return ids, err
}

// Leased lists mail that is being sent; with lapsed only what has a lease that
// is over by the store's clock.
func (l *Ledger) Leased(tx store.Tx, lapsed bool) (ids []mail.ID, err error) {
	r := store.Prefix(leasePrefix)
	if lapsed {
		r.To = leasePrefix + store.Stamp(tx.Now())
	}
	err = space.Scan(tx, r, func(key string, _ []byte) error {
		ids = append(ids, mail.ID(key[len(leasePrefix)+17:]))
		return nil
	})
	return ids, err
}
