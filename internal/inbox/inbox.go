// Package inbox is what an agent finds in its own mailbox: for now the notices
// about the mail it sent, and which of them it has read.
//
// A notice never travels: the queue posts it in the very transaction that ends
// a mail, so there is no end without its notice and no backscatter.
//
//	inbox/<mailbox>NUL<id>   the item
//	inbox/<id>               its bytes (a body)
package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Item is one thing in an inbox.
type Item struct {
	ID         mail.ID      `json:"id"`
	Mailbox    mail.Address `json:"mailbox"`
	Kind       string       `json:"kind"`   // "dsn"
	About      mail.ID      `json:"about"`  // the mail it tells of
	Action     string       `json:"action"` // failed, relayed, rejected, expired
	From       string       `json:"from"`
	Subject    string       `json:"subject"`
	Text       string       `json:"text"` // neutralised
	ReceivedAt time.Time    `json:"received_at"`
	Read       bool         `json:"read"`
	Size       int64        `json:"size"`
}

// Inbox reads and writes items inside its caller's transactions.
type Inbox struct{}

// New returns an Inbox.
func New() *Inbox { return &Inbox{} }

func itemKey(box mail.Address, id mail.ID) string { return prefix(box) + string(id) }

func prefix(box mail.Address) string { return "inbox/" + box.Key() + "\x00" }

// RawKey names the body that holds the bytes of an item.
func RawKey(id mail.ID) string { return "inbox/" + string(id) }

// Bounce posts a notice into the inbox of dsn.Mailbox. What it is about stands
// in its own header, X-MultiMail-About and X-MultiMail-Action.
func (b *Inbox) Bounce(tx store.Tx, dsn *mail.Mail, raw []byte) error {
	about, err := mail.ParseID(only(raw, "X-MultiMail-About"))
	if err != nil {
		return fmt.Errorf("inbox: notice %s: %w", dsn.ID, err)
	}
	item := Item{ID: dsn.ID, Mailbox: dsn.Mailbox, Kind: "dsn", About: about, Action: only(raw, "X-MultiMail-Action"),
		From: dsn.Header.From.String(), Subject: dsn.Header.Subject, Text: mail.NewReview(raw).Text,
		ReceivedAt: dsn.SubmittedAt.UTC(), Size: int64(len(raw))}
	if err := tx.PutBody(store.Inline(RawKey(dsn.ID), raw)); err != nil {
		return fmt.Errorf("inbox: notice %s: %w", dsn.ID, err)
	}
	return put(tx, item)
}

func only(raw []byte, name string) string {
	if v := mail.Fields(raw, name); len(v) == 1 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

func put(tx store.Tx, item Item) error {
	b, err := json.Marshal(item)
	if err == nil {
		err = tx.Put(itemKey(item.Mailbox, item.ID), b)
	}
	if err != nil {
		return fmt.Errorf("inbox: %s: %w", item.ID, err)
	}
	return nil
}

// Item returns one item of a mailbox; mail.ErrNotFound if it has none such.
func (b *Inbox) Item(tx store.Tx, box mail.Address, id mail.ID) (Item, error) {
	var item Item
	raw, err := tx.Get(itemKey(box, id))
	if errors.Is(err, store.ErrNotFound) {
		return item, fmt.Errorf("inbox: %s: %w", id, mail.ErrNotFound)
	}
	if err == nil {
		err = json.Unmarshal(raw, &item)
	}
	if err != nil {
		return item, fmt.Errorf("inbox: %s: %w", id, err)
	}
	return item, nil
}

// List returns items of a mailbox, newest first, older than before.
func (b *Inbox) List(tx store.Tx, box mail.Address, before mail.ID, limit int) ([]Item, error) {
	r := store.Prefix(prefix(box))
	if before != "" {
		r.To = itemKey(box, before)
	}
	r.Reverse = true
	var out []Item
	err := tx.Scan(r, func(key string, raw []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		var item Item
		if err := json.Unmarshal(raw, &item); err != nil {
			return fmt.Errorf("inbox: %s: %w", key, err)
		}
		out = append(out, item)
		return nil
	})
	return out, err
}

// MarkRead marks an item as read.
func (b *Inbox) MarkRead(tx store.Tx, box mail.Address, id mail.ID) error {
	item, err := b.Item(tx, box, id)
	if err != nil || item.Read {
		return err
	}
	item.Read = true
	return put(tx, item)
}
