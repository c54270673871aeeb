// Package inbox is what an agent finds in its own mailbox: the mail that the
// mailbox has received, and which of it was read.
//
// The mail itself is in the ledger; here stands only what the reader has done.
//
//	inbox-read/<mailbox>/<id>   read
//
// A mailbox in a key is an address in lower case. Its local part holds no "@"
// and its domain no "/", so no mailbox can begin another's keys.
package inbox

import (
	"errors"
	"fmt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

var space = store.NewSpace(readPrefix)

const readPrefix = "inbox-read/"

// Item is one received mail and what its reader has done.
type Item struct {
	ID   mail.ID
	Mail *mail.Mail // nil: its record is damaged
	Read bool
}

// Inbox reads and writes inside its caller's transactions.
type Inbox struct{ ledger *queue.Ledger }

// New returns the inboxes of the mail in a ledger.
func New(l *queue.Ledger) *Inbox { return &Inbox{l} }

func readKey(box mail.Address, id mail.ID) string { return readPrefix + box.Key() + "/" + string(id) }

// Item returns one mail of a mailbox; mail.ErrNotFound if the mailbox has
// received none such.
func (b *Inbox) Item(tx store.Tx, box mail.Address, id mail.ID) (Item, error) {
	m, err := b.ledger.Load(tx, id)
	if err == nil && (m.Direction != mail.Incoming || m.State != mail.Received || m.Mailbox.Key() != box.Key()) {
		err = mail.ErrNotFound
	}
	if err != nil {
		return Item{}, fmt.Errorf("inbox: read %s: %w", id, err)
	}
	return b.item(tx, box, queue.Listed{ID: id, Mail: m})
}

func (b *Inbox) item(tx store.Tx, box mail.Address, l queue.Listed) (Item, error) {
	_, err := space.Get(tx, readKey(box, l.ID))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Item{}, fmt.Errorf("inbox: read %s: %w", l.ID, err)
	}
	return Item{ID: l.ID, Mail: l.Mail, Read: err == nil}, nil
}

// List returns received mail of a mailbox, newest first, older than before; an
// empty before means from the newest. What cannot be read has no Mail.
func (b *Inbox) List(tx store.Tx, box mail.Address, before mail.ID, limit int) ([]Item, error) {
	list, err := b.ledger.ByMailbox(tx, box, mail.Incoming, before, limit)
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, l := range list {
		item, err := b.item(tx, box, l)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

// MarkRead marks a mail as read; mail.ErrNotFound if the mailbox has received
// none such. A mail that was read stays read.
func (b *Inbox) MarkRead(tx store.Tx, box mail.Address, id mail.ID) error {
	item, err := b.Item(tx, box, id)
	if err != nil || item.Read {
		return err
	}
	if err := space.Put(tx, readKey(box, id), nil); err != nil {
		return fmt.Errorf("inbox: mark %s: %w", id, err)
	}
	return nil
}
