package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// What format 0 had in the place of incoming mail.
//
//	inbox/<mailbox>/<id>          the notice, JSON
//	inbox-unread/<mailbox>/<id>   index: not read yet
//	inbox/<id>                    its bytes (a body)
const (
	itemPrefix   = "inbox/"
	unreadPrefix = "inbox-unread/"
)

// item is a notice of format 0.
type item struct {
	ID         mail.ID      `json:"id"`
	Mailbox    mail.Address `json:"mailbox"`
	About      mail.ID      `json:"about"`
	Action     string       `json:"action"`
	From       mail.Address `json:"from"`
	Subject    string       `json:"subject"`
	ReceivedAt time.Time    `json:"received_at"`
	Read       bool         `json:"read"`

	key string
	raw []byte
}

// batch is how many notices one transaction moves.
const batch = 100

// fromZero makes the notices incoming mail and parts the counters by node.
func (u Upgrader) fromZero(ctx context.Context) error {
	for after := ""; ; {
		items, last, err := u.items(ctx, after)
		if err != nil {
			return err
		}
		if last == "" {
			return u.DB.Update(ctx, u.Ledger.Recount)
		}
		if err := u.move(ctx, items); err != nil {
			return err
		}
		after = last
	}
}

// items reads the next notices behind a key, and says which key was the last.
// One that cannot be read, or is not what was written, stays as it is.
func (u Upgrader) items(ctx context.Context, after string) (items []item, last string, err error) {
	damaged := map[string]error{}
	err = u.DB.View(ctx, func(tx store.Tx) error {
		items, last = nil, ""
		r := store.Prefix(itemPrefix)
		if after != "" {
			r.From = after + "\x00"
		}
		return space.Scan(tx, r, func(key string, b []byte) error {
			if len(items)+len(damaged) >= batch {
				return store.Stop
			}
			last = key
			i := item{key: key}
			if err := i.parse(b); err != nil {
				damaged[key] = err
			} else {
				items = append(items, i)
			}
			return nil
		})
	})
	if err != nil {
		return nil, "", err
	}
	whole := items[:0]
	for _, i := range items {
		if i.raw, err = u.DB.Body(ctx, itemPrefix+string(i.ID)); err != nil {
			damaged[i.key] = err
			continue
		}
		whole = append(whole, i)
	}
	for key, err := range damaged {
		u.Log.Error("a notice cannot be read and is left out", "key", key, "err", err)
	}
	return whole, last, ctx.Err()
}

// parse reads a record. It takes what a program of format 0 wrote, and nothing else.
func (i *item) parse(b []byte) error {
	if err := json.Unmarshal(b, i); err != nil {
		return err
	}
	_, err := mail.ParseID(string(i.ID))
	switch {
	case err != nil, i.Mailbox.IsZero(), i.key != itemPrefix+i.Mailbox.Key()+"/"+string(i.ID),
		!mail.Notice{About: i.About, Action: i.Action}.Valid(), len(i.Subject) > maxSubject:
		return errors.New("the record is damaged")
	}
	return nil
}

// maxSubject bounds the subject of a notice; those of format 0 are short.
const maxSubject = 1000

func (u Upgrader) move(ctx context.Context, items []item) error {
	staged := make([]store.Staged, len(items))
	for n, i := range items {
		var err error
		if staged[n], err = u.DB.Stage(ctx, queue.RawKey(i.ID), i.raw); err != nil {
			return err
		}
		defer u.DB.Discard(staged[n])
	}
	return u.DB.Update(ctx, func(tx store.Tx) error {
		for n, i := range items {
			err := u.put(tx, i, staged[n])
			if errors.Is(err, mail.ErrStale) { // another mail has its id
				u.Log.Error("a notice cannot be read and is left out", "key", i.key, "err", err)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}

// put makes a notice an incoming mail, with an entry that says so.
func (u Upgrader) put(tx store.Tx, i item, raw store.Staged) error {
	m := &mail.Mail{
		ID: i.ID, Direction: mail.Incoming, Notice: &mail.Notice{About: i.About, Action: i.Action},
		Mailbox: i.Mailbox, Author: "system:system", SubmittedAt: i.ReceivedAt, Size: int64(len(i.raw)),
		Envelope: mail.Envelope{Rcpts: []mail.Rcpt{{Addr: i.Mailbox, Standing: mail.Delivered}}},
		Header: mail.Header{From: i.From, To: []mail.Address{i.Mailbox}, Subject: i.Subject,
			MessageID: string(i.ID) + "@" + i.Mailbox.Domain()},
	}
	m.Digest = mail.DigestOf(m.Envelope, i.raw)
	err := u.Ledger.Adopt(tx, m, raw)
	if err == nil && i.Read {
		err = space.Put(tx, readKey(i.Mailbox, i.ID), nil)
	}
	if err == nil {
		err = space.Delete(tx, unreadPrefix+strings.TrimPrefix(i.key, itemPrefix))
	}
	if err == nil {
		err = space.Delete(tx, i.key)
	}
	if err == nil {
		err = space.DeleteBody(tx, itemPrefix+string(i.ID))
	}
	return err
}
