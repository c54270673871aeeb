package inbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Status is what a reader has done with a received mail.
type Status string

// The statuses. Deleted mail is in the trash: it is erased after a time, until then it
// may be taken back.
const (
	Unread   Status = "unread"
	Read     Status = "read"
	Archived Status = "archived"
	Deleted  Status = "deleted"
)

// Statuses lists every status.
var Statuses = [...]Status{Unread, Read, Archived, Deleted}

// ErrStatus: the word is no status of received mail.
var ErrStatus = errors.New("inbox: no such status")

// listKey is the prefix of the received mail of one status.
func listKey(box mail.Address, s Status) string { return in(listPrefix, box) + string(s[0]) }

// Filter says which received mail a list shows.
type Filter struct {
	// Status is the one status to show. Empty: everything but what is deleted.
	Status Status
}

// List returns received mail of a mailbox, newest first, older than before; an empty
// before means from the newest. It reads as much as it returns, whatever the mailbox
// has. What cannot be read has no Mail.
func (b *Inbox) List(tx store.Tx, box mail.Address, f Filter, before mail.ID, limit int) ([]Item, error) {
	of := []Status{f.Status}
	if f.Status == "" {
		of = []Status{Unread, Read, Archived}
	}
	var ids []mail.ID
	for _, s := range of {
		if !slices.Contains(Statuses[:], s) {
			return nil, ErrStatus
		}
		page, err := newest(tx, listKey(box, s), before, limit)
		if err != nil {
			return nil, err
		}
		ids = append(ids, page...)
	}
	slices.SortFunc(ids, func(a, b mail.ID) int { return strings.Compare(string(b), string(a)) })
	return b.items(tx, box, ids[:min(len(ids), max(limit, 0))])
}

// newest returns up to limit ids that follow a prefix, newest first, older than before.
func newest(tx store.Tx, prefix string, before mail.ID, limit int) (ids []mail.ID, err error) {
	r := store.Prefix(prefix)
	if before != "" {
		r.To = prefix + string(before)
	}
	r.Reverse = true
	err = space.Scan(tx, r, func(key string, _ []byte) error {
		if len(ids) >= limit {
			return store.Stop
		}
		ids = append(ids, mail.ID(key[len(prefix):]))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: list: %w", err)
	}
	return ids, nil
}

func (b *Inbox) items(tx store.Tx, box mail.Address, ids []mail.ID) (out []Item, err error) {
	for _, id := range ids {
		item, shown, err := b.item(tx, box, id)
		if err != nil {
			return nil, err
		}
		if shown {
			out = append(out, item)
		}
	}
	return out, nil
}

// Items says what is known of mail that the ledger has listed.
func (b *Inbox) Items(tx store.Tx, box mail.Address, list []queue.Listed) (out []Item, err error) {
	for _, l := range list {
		r, _, err := get(tx, box, l.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, r.item(l.ID, l.Mail))
	}
	return out, nil
}

// SetStatus says what the reader has done with a received mail; mail.ErrNotFound if the
// mailbox shows none such.
func (b *Inbox) SetStatus(tx store.Tx, box mail.Address, id mail.ID, s Status) error {
	if !slices.Contains(Statuses[:], s) {
		return ErrStatus
	}
	_, r, err := b.find(tx, box, id)
	if err == nil && r.Status == "" { // its own mail
		err = fmt.Errorf("inbox: %s: %w", id, mail.ErrNotFound)
	}
	if err != nil || r.Status == s {
		return err
	}
	before := r.keys(box, id)
	r.Status, r.Trash = s, ""
	if s == Deleted {
		r.Trash, r.Gone = store.Stamp(tx.Now()), r.Gone+1
	}
	if err := put(tx, box, id, r); err != nil {
		return err
	}
	after := r.keys(box, id)
	for key := range before {
		if _, stays := after[key]; !stays && err == nil {
			err = space.Delete(tx, key)
		}
	}
	for key, value := range after {
		if _, there := before[key]; !there && err == nil {
			err = space.Put(tx, key, []byte(value))
		}
	}
	if err != nil {
		return fmt.Errorf("inbox: mark %s: %w", id, err)
	}
	return nil
}

// MarkRead marks unread mail as read and leaves any other status; mail.ErrNotFound if
// the mailbox shows none such.
func (b *Inbox) MarkRead(tx store.Tx, box mail.Address, id mail.ID) error {
	item, err := b.Item(tx, box, id)
	if err == nil && item.Status == "" {
		err = fmt.Errorf("inbox: %s: %w", id, mail.ErrNotFound)
	}
	if err != nil || item.Status != Unread {
		return err
	}
	return b.SetStatus(tx, box, id, Read)
}

// ThrownBefore lists mail that was thrown away before a time, oldest first, behind a
// cursor that an earlier call returned.
func (b *Inbox) ThrownBefore(
	tx store.Tx, t time.Time, cursor string, limit int,
) (ids []mail.ID, next string, err error) {
	keys, err := space.Before(tx, trashPrefix, t, cursor, limit)
	for _, key := range keys {
		ids, next = append(ids, mail.ID(key[strings.LastIndexByte(key, 0)+1:])), key
	}
	return ids, next, err
}
