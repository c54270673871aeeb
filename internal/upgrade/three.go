package upgrade

import (
	"context"
	"errors"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// readPrefix is where formats 1 to 3 said which received mail was read:
//
//	inbox-read/<mailbox>/<id>
const readPrefix = "inbox-read/"

func readKey(box mail.Address, id mail.ID) string { return readPrefix + box.Key() + "/" + string(id) }

// fromThree files the mail that is there in threads, oldest first.
// What one transaction has filed, another leaves as it is.
func (u Upgrader) fromThree(ctx context.Context) error {
	for after := mail.ID(""); ; {
		next := after
		err := u.DB.Update(ctx, func(tx store.Tx) error {
			next = after
			list, err := u.Ledger.Reindex(tx, after, batch)
			for _, l := range list {
				next = l.ID
				if err == nil && l.Mail != nil && l.Mail.Visible() {
					err = u.file(tx, l.Mail)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if next == after {
			return nil
		}
		after = next
	}
}

// file files a mail, as read if it was.
func (u Upgrader) file(tx store.Tx, m *mail.Mail) error {
	if err := u.Inbox.File(tx, m); err != nil {
		return err
	}
	_, err := space.Get(tx, readKey(m.Mailbox, m.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil && m.Direction == mail.Incoming {
		err = u.Inbox.MarkRead(tx, m.Mailbox, m.ID)
	}
	if err == nil {
		err = space.Delete(tx, readKey(m.Mailbox, m.ID))
	}
	return err
}
