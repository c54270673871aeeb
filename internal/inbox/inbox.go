// Package inbox is what an agent finds in its own mailbox: for now the notices
// about the mail it sent, and which of them it has read.
//
// A notice never travels: the queue posts it in the very transaction that ends
// a mail, so there is no end without its notice and no backscatter.
//
//	inbox/<mailbox>/<id>          the item
//	inbox-unread/<mailbox>/<id>   index: not read yet
//	inbox/<id>                    its bytes (a body, see RawKey)
//
// A mailbox in a key is an address in lower case. Its local part holds no "@"
// and its domain no "/", so no mailbox can begin another's keys.
package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Item is one thing in an inbox. Its texts are neutralised.
type Item struct {
	ID         mail.ID      `json:"id"`
	Mailbox    mail.Address `json:"mailbox"`
	Kind       string       `json:"kind"`   // "dsn"
	About      mail.ID      `json:"about"`  // the mail it tells of
	Action     string       `json:"action"` // see Notice
	From       string       `json:"from"`
	Subject    string       `json:"subject"`
	Text       string       `json:"text"`
	ReceivedAt time.Time    `json:"received_at"`
	Read       bool         `json:"read"`
	Size       int64        `json:"size"`

	Damaged bool `json:"-"` // in a list: its record cannot be read; only ID and Mailbox are known
}

var space = store.NewSpace("inbox/", "inbox-unread/")

// Inbox reads and writes items inside its caller's transactions.
type Inbox struct{}

// New returns an Inbox.
func New() *Inbox { return &Inbox{} }

func prefix(box mail.Address) string                { return "inbox/" + box.Key() + "/" }
func itemKey(box mail.Address, id mail.ID) string   { return prefix(box) + string(id) }
func unreadPrefix(box mail.Address) string          { return "inbox-unread/" + box.Key() + "/" }
func unreadKey(box mail.Address, id mail.ID) string { return unreadPrefix(box) + string(id) }

// RawKey names the body that holds the bytes of an item.
func RawKey(id mail.ID) string { return "inbox/" + string(id) }

// Bounce posts a notice into the inbox of dsn.Mailbox. What it is about stands
// in its own header: see Notice.
func (b *Inbox) Bounce(tx store.Tx, dsn *mail.Mail, raw []byte) error {
	n, err := ParseNotice(raw)
	if err != nil {
		return fmt.Errorf("inbox: post %s: %w: %w", dsn.ID, mail.ErrNotice, err)
	}
	switch _, err := space.Get(tx, itemKey(dsn.Mailbox, dsn.ID)); {
	case err == nil:
		return fmt.Errorf("inbox: post %s: the id is taken", dsn.ID)
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("inbox: post %s: %w", dsn.ID, err)
	}
	item := Item{
		ID: dsn.ID, Mailbox: dsn.Mailbox, Kind: "dsn", About: n.About, Action: n.Action,
		From: dsn.Header.From.String(), Subject: mail.Neutralise(dsn.Header.Subject),
		Text: cut(message.NewReview(raw).Text()), ReceivedAt: dsn.SubmittedAt.UTC(), Size: int64(len(raw)),
	}
	if err := space.PutBody(tx, store.Inline(RawKey(dsn.ID), raw)); err != nil {
		return fmt.Errorf("inbox: post %s: %w", dsn.ID, err)
	}
	if err := space.Put(tx, unreadKey(dsn.Mailbox, dsn.ID), nil); err != nil {
		return fmt.Errorf("inbox: post %s: %w", dsn.ID, err)
	}
	return put(tx, item)
}

// maxText is how many octets of its text an item keeps; the bytes of the notice
// are kept in whole.
const maxText = 64 << 10

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + fmt.Sprintf("… [cut, %d octets]", len(s))
}

func put(tx store.Tx, item Item) error {
	b, err := json.Marshal(item)
	if err == nil {
		err = space.Put(tx, itemKey(item.Mailbox, item.ID), b)
	}
	if err != nil {
		return fmt.Errorf("inbox: write %s: %w", item.ID, err)
	}
	return nil
}

// Item returns one item of a mailbox; mail.ErrNotFound if it has none such.
func (b *Inbox) Item(tx store.Tx, box mail.Address, id mail.ID) (Item, error) {
	var item Item
	raw, err := space.Get(tx, itemKey(box, id))
	if errors.Is(err, store.ErrNotFound) {
		return Item{}, fmt.Errorf("inbox: read %s: %w", id, mail.ErrNotFound)
	}
	if err == nil {
		item, err = parseItem(raw, id)
	}
	if err != nil {
		return Item{}, fmt.Errorf("inbox: read %s: %w", id, err)
	}
	return item, nil
}

// parseItem reads the record of an item.
func parseItem(raw []byte, id mail.ID) (item Item, err error) {
	if err := json.Unmarshal(raw, &item); err != nil {
		return Item{}, err
	}
	if item.ID != id {
		return Item{}, errors.New("the record is damaged")
	}
	return item, nil
}

// List returns items of a mailbox, newest first, older than before; an empty
// before means from the newest. One that cannot be read is listed as damaged.
func (b *Inbox) List(tx store.Tx, box mail.Address, before mail.ID, limit int) ([]Item, error) {
	r := store.Prefix(prefix(box))
	if before != "" {
		r.To = itemKey(box, before)
	}
	r.Reverse = true
	var out []Item
	err := space.Scan(tx, r, func(key string, raw []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		id := mail.ID(strings.TrimPrefix(key, prefix(box)))
		item, err := parseItem(raw, id)
		if err != nil {
			item = Item{ID: id, Mailbox: box, Damaged: true}
		}
		out = append(out, item)
		return nil
	})
	return out, err
}

// MarkRead marks an item as read; mail.ErrNotFound if there is none such. An
// item that was read stays read.
func (b *Inbox) MarkRead(tx store.Tx, box mail.Address, id mail.ID) error {
	item, err := b.Item(tx, box, id)
	if err != nil || item.Read {
		return err
	}
	if err := space.Delete(tx, unreadKey(box, id)); err != nil {
		return fmt.Errorf("inbox: mark %s: %w", id, err)
	}
	item.Read = true
	return put(tx, item)
}

// Unread returns how many items of a mailbox nobody has read.
func (b *Inbox) Unread(tx store.Tx, box mail.Address) (int, error) {
	n := 0
	err := space.Scan(tx, store.Prefix(unreadPrefix(box)), func(string, []byte) error {
		n++
		return nil
	})
	return n, err
}
