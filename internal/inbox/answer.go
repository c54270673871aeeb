package inbox

import (
	"fmt"
	"slices"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Bounds of what one question about an answer reads.
const (
	maxBearers = 20  // mails that bear the same Message-ID
	maxNaming  = 200 // mails of a thread that are asked whom they name
)

// Bearers returns the mail that a mailbox shows with a Message-ID: its own first, then by
// age, the first twenty of them.
func (b *Inbox) Bearers(tx store.Tx, box mail.Address, messageID string) ([]Item, error) {
	if messageID == "" {
		return nil, nil
	}
	prefix := in(idPrefix, box) + hashID(messageID)
	var ids []mail.ID
	err := space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
		if len(ids) == maxBearers {
			return store.Stop
		}
		ids = append(ids, mail.ID(key[len(prefix)+len(rankOwn):]))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: bearers of a Message-ID: %w", err)
	}
	return b.items(tx, box, ids)
}

// NoAnswer says why no program may answer what bears a Message-ID in a mailbox (see
// mail.Mail.NoAnswer), "" if one may or if the mailbox shows no such mail. A message that
// came twice, such as by a list and directly, may be answered if one of its mails may.
func (b *Inbox) NoAnswer(tx store.Tx, box mail.Address, messageID string) (why string, err error) {
	list, err := b.Bearers(tx, box, messageID)
	if err != nil {
		return "", err
	}
	for _, i := range list {
		switch {
		case i.Mail == nil:
			continue
		case i.Mail.Direction == mail.Outgoing || i.Mail.NoAnswer() == "":
			return "", nil
		case why == "":
			why = i.Mail.NoAnswer()
		}
	}
	return why, nil
}

// Unnamed returns those of a list of addresses to which the mailbox has sent no mail of a
// thread older than before. What strangers write names nobody: one could bring an address
// in to which another's mail then has answers sent. It asks the newest 200 of them.
func (b *Inbox) Unnamed(
	tx store.Tx, box mail.Address, thread, before mail.ID, list []mail.Address,
) ([]mail.Address, error) {
	left := slices.Clone(list)
	ids, err := newest(tx, threadKey(threadPrefix, box, thread), before, maxNaming)
	if err != nil {
		return nil, err
	}
	items, err := b.items(tx, box, ids)
	for _, i := range items {
		if i.Mail == nil || i.Mail.Direction != mail.Outgoing || i.Mail.State != mail.Sent {
			continue
		}
		left = slices.DeleteFunc(left, func(a mail.Address) bool {
			return slices.ContainsFunc(i.Mail.Envelope.Rcpts, func(r mail.Rcpt) bool { return r.Addr.Key() == a.Key() })
		})
	}
	return left, err
}

// Foresee says where a mail would stand that its mailbox does not show: in which thread, and
// whom it would bring into it.
func (b *Inbox) Foresee(tx store.Tx, m *mail.Mail) (Item, error) {
	r, known, err := get(tx, m.Mailbox, m.ID)
	if err != nil || known {
		return r.item(m.ID, m), err
	}
	if r.Thread, r.Joined, err = b.join(tx, m); err == nil && r.Joined != JoinedNew {
		r.New, err = newPeople(tx, m.Mailbox, r.Thread, peopleOf(m))
	}
	return r.item(m.ID, m), err
}
