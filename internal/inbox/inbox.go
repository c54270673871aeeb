// Package inbox is what an agent finds in its own mailbox: the mail that the
// mailbox has received and sent, in threads, with what its reader made of it.
//
// The mail itself is in the ledger. Here stands what is known beyond a single mail: to
// which thread it belongs and why, whether it was read, its tags, and the people that
// the mailbox has an address of. [Inbox.File] and [Inbox.Unfile] are called in the
// transaction that makes a mail visible in its mailbox, or ends that; everything else
// reads, or changes what belongs to the reader.
//
// No rule looks beyond one mailbox: the address of the mailbox stands first in every
// key, in lower case, and a NUL ends it, which no address holds.
//
//	inbox-mail/<mailbox>NUL<id>                     what is known of one mail, JSON
//	inbox-list/<mailbox>NUL<status letter><id>      received mail by what its reader did
//	inbox-id/<mailbox>NUL<hash><rank><id>           the thread of a Message-ID
//	inbox-subject/<mailbox>NUL<hash><id>            the thread of a subject and a correspondent
//	inbox-thread/<mailbox>NUL<thread>NUL<id>        the mail of a thread
//	inbox-asked/<mailbox>NUL<thread>NUL<id>         that of it which a person wrote to the mailbox
//	inbox-people/<mailbox>NUL<thread>NUL<address>   how many mails of a thread name somebody
//	inbox-count/<mailbox>NUL<thread>                how many mails a thread has, decimal
//	inbox-late/<mailbox>NUL<place>                  the id of mail that stands later than its id says
//	inbox-last/<mailbox>                            the last place that was given
//	inbox-trash/<time>/<mailbox>NUL<id>             when received mail was thrown away
//	inbox-tag/<mailbox>NUL<id>NUL<key>              the value of a tag
//	contact/<mailbox>NUL<id>                        a contact, JSON
//	contact-address/<mailbox>NUL<address>           its id
package inbox

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

const (
	mailPrefix    = "inbox-mail/"
	listPrefix    = "inbox-list/"
	idPrefix      = "inbox-id/"
	subjectPrefix = "inbox-subject/"
	threadPrefix  = "inbox-thread/"
	askedPrefix   = "inbox-asked/"
	peoplePrefix  = "inbox-people/"
	countPrefix   = "inbox-count/"
	latePrefix    = "inbox-late/"
	lastPrefix    = "inbox-last/"
	trashPrefix   = "inbox-trash/"
	tagPrefix     = "inbox-tag/"
	contactPrefix = "contact/"
	addressPrefix = "contact-address/"
)

var space = store.NewSpace(mailPrefix, listPrefix, idPrefix, subjectPrefix, threadPrefix, askedPrefix,
	peoplePrefix, countPrefix, latePrefix, lastPrefix, trashPrefix, tagPrefix, contactPrefix, addressPrefix)

// Inbox reads and writes inside its caller's transactions.
type Inbox struct{ ledger *queue.Ledger }

// New returns the inboxes of the mail in a ledger.
func New(l *queue.Ledger) *Inbox { return &Inbox{l} }

// in returns the part of a space that belongs to one mailbox.
func in(prefix string, box mail.Address) string { return prefix + box.Key() + "\x00" }

// Item is one mail of a mailbox and what is known of it.
type Item struct {
	ID     mail.ID
	Mail   *mail.Mail // nil: its record is damaged
	Status Status     // of received mail; empty for what the mailbox sends
	Thread mail.ID
	Joined Joined
	// Place is where it stands in the order in which the mailbox got its mail.
	Place mail.ID
	// Gone is how often it was deleted by its reader, or no longer shown by the mailbox.
	Gone int
	// New are addresses that the mail names and no earlier mail of its thread does.
	New []string
}

// record is what stands under mailPrefix. It names every key that was written for the
// mail, so that Unfile needs nothing else: of an erased mail there is nothing else.
type record struct {
	Thread mail.ID  `json:"thread"`
	Joined Joined   `json:"joined_by"`
	New    []string `json:"new,omitempty"`
	Status Status   `json:"status,omitempty"`
	// Late is its place in the order of the mailbox, where that is not its id.
	Late mail.ID `json:"late,omitempty"`
	// Gone is how often it was deleted by its reader, or taken out.
	Gone int `json:"gone,omitempty"`
	// Away: the mail is in no list and no thread now. Where it belongs is kept.
	Away bool `json:"away,omitempty"`

	Kind      kind     `json:"kind"`
	MessageID string   `json:"message_id,omitempty"` // hash
	Subjects  []string `json:"subjects,omitempty"`   // hashes
	People    []string `json:"people,omitempty"`
	Trash     string   `json:"trash,omitempty"` // the time under trashPrefix
}

// get reads a record; ok is false where there is none.
func get(tx store.Tx, box mail.Address, id mail.ID) (r record, ok bool, err error) {
	b, err := space.Get(tx, in(mailPrefix, box)+string(id))
	if errors.Is(err, store.ErrNotFound) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("inbox: read %s: %w", id, err)
	}
	return r, true, nil
}

func put(tx store.Tx, box mail.Address, id mail.ID, r record) error {
	b, err := json.Marshal(r)
	if err == nil {
		err = space.Put(tx, in(mailPrefix, box)+string(id), b)
	}
	if err != nil {
		return fmt.Errorf("inbox: write %s: %w", id, err)
	}
	return nil
}

// find returns a mail that the mailbox shows; mail.ErrNotFound if there is none such.
func (b *Inbox) find(tx store.Tx, box mail.Address, id mail.ID) (*mail.Mail, record, error) {
	m, err := b.ledger.Load(tx, id)
	if err != nil {
		return nil, record{}, fmt.Errorf("inbox: read %s: %w", id, err)
	}
	r, ok, err := get(tx, box, id)
	if err == nil && (!ok || r.Away || !m.Visible() || m.Mailbox.Key() != box.Key()) {
		err = fmt.Errorf("inbox: %s: %w", id, mail.ErrNotFound)
	}
	return m, r, err
}

// Item returns one mail of a mailbox, received or sent; mail.ErrNotFound if the mailbox
// shows none such.
func (b *Inbox) Item(tx store.Tx, box mail.Address, id mail.ID) (Item, error) {
	m, r, err := b.find(tx, box, id)
	if err != nil {
		return Item{}, err
	}
	return r.item(id, m), nil
}

func (r record) item(id mail.ID, m *mail.Mail) Item {
	return Item{ID: id, Mail: m, Status: r.Status, Thread: r.Thread, Joined: r.Joined, New: r.New,
		Place: r.place(id), Gone: r.Gone}
}

// item returns an entry of a list. shown is false where the mail is no longer to be
// seen; a record that cannot be read stays in the list, without its mail.
func (b *Inbox) item(tx store.Tx, box mail.Address, id mail.ID) (i Item, shown bool, err error) {
	r, ok, err := get(tx, box, id)
	if err != nil || !ok || r.Away {
		return Item{}, false, err
	}
	m, err := b.ledger.Load(tx, id)
	switch {
	case errors.Is(err, mail.ErrNotFound):
		return Item{}, false, nil
	case err != nil:
		return r.item(id, nil), true, nil // the ledger's reader reports damage
	}
	return r.item(id, m), m.Visible(), nil
}
