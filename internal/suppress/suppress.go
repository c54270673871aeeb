// Package suppress keeps the addresses that a mailbox may not send to any more:
// those that cannot be delivered to, and those whose people complained.
//
// An entry is of one mailbox: what the mail of one sender brought about keeps no mail
// of another back.
//
//	added, err := list.Add(tx, suppress.Entry{Address: to, Mailbox: box, Reason: suppress.HardBounce})
//	entry, found, err := list.Find(tx, box, to)
package suppress

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Reason is why an address is on the list.
type Reason string

// The reasons.
const (
	HardBounce Reason = "hard_bounce" // a server says that it can never be delivered to
	Complaint  Reason = "complaint"   // its reader takes the mail for abuse
)

// Reasons lists them.
var Reasons = [...]Reason{HardBounce, Complaint}

// Entry is an address that a mailbox may not send to.
type Entry struct {
	ID        mail.ID      `json:"id"`
	Address   mail.Address `json:"address"`
	Mailbox   mail.Address `json:"mailbox"`
	Reason    Reason       `json:"reason"`
	About     mail.ID      `json:"about"`          // the mail that brought it here
	Code      string       `json:"code,omitempty"` // of a hard bounce (RFC 3463)
	CreatedAt time.Time    `json:"created_at"`
}

// List is the suppression list.
type List struct{ log *audit.Log }

// New returns the list, which writes its audit entries to log.
func New(log *audit.Log) *List { return &List{log} }

// An address has no slash behind its last @, so one address's keys never begin another's.
const prefix = "suppress/" // + address + "/" + mailbox

var space = store.NewSpace(prefix)

func keyOf(mailbox, to mail.Address) string { return prefix + to.Key() + "/" + mailbox.Key() }

// Add puts an address on the list of a mailbox. One that is there already stays as it is,
// without an entry in the log.
func (l *List) Add(tx store.Tx, e Entry) (added bool, err error) {
	if _, found, err := l.Find(tx, e.Mailbox, e.Address); err != nil || found {
		return false, err
	}
	e.ID, e.CreatedAt = mail.NewID(tx.Now()), tx.Now().UTC()
	b, err := json.Marshal(e)
	if err == nil {
		err = space.Put(tx, keyOf(e.Mailbox, e.Address), b)
	}
	if err != nil {
		return false, fmt.Errorf("suppress: add: %w", err)
	}
	r := e.record(audit.SuppressAdd)
	r.Actor = audit.System
	_, err = l.log.Append(tx, r)
	return err == nil, err
}

func (e Entry) record(k audit.Kind) audit.Record {
	return audit.Record{Kind: k, Mail: string(e.About),
		Facts:   map[string]string{"reason": string(e.Reason), "code": e.Code},
		Private: map[string]string{"address": e.Address.String(), "mailbox": e.Mailbox.String()}}
}

// Find returns the entry that keeps a mailbox from sending to an address.
func (l *List) Find(tx store.Tx, mailbox, to mail.Address) (e Entry, found bool, err error) {
	b, err := space.Get(tx, keyOf(mailbox, to))
	if errors.Is(err, store.ErrNotFound) {
		return e, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return e, false, fmt.Errorf("suppress: find: %w", err)
	}
	return e, true, nil
}

// maxScan is how many entries one page looks at.
const maxScan = 1000

// Page returns at most limit entries behind a cursor, in the order of their addresses, of the
// mailboxes that covers knows. next is the cursor of the page after; "" when there is none.
// A page may have fewer entries and yet a next one.
func (l *List) Page(
	tx store.Tx, cursor string, limit int, covers func(mail.Address) bool,
) (page []Entry, next string, err error) {
	r := store.Prefix(prefix)
	if cursor != "" {
		r.From = prefix + cursor + "\x00"
	}
	seen, last := 0, ""
	err = space.Scan(tx, r, func(k string, b []byte) error {
		if len(page) == limit || seen == maxScan {
			next = last
			return store.Stop
		}
		seen, last = seen+1, strings.TrimPrefix(k, prefix)
		var e Entry
		if err := json.Unmarshal(b, &e); err != nil {
			return err
		}
		if covers(e.Mailbox) {
			page = append(page, e)
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("suppress: list: %w", err)
	}
	return page, next, nil
}

// Remove takes an address off the lists of the mailboxes that covers knows, and writes an
// entry signed by who asked for each. It returns how many there were.
func (l *List) Remove(
	tx store.Tx, to mail.Address, covers func(mail.Address) bool, sign func(audit.Record) audit.Record,
) (n int, err error) {
	var gone []Entry
	err = space.Scan(tx, store.Prefix(prefix+to.Key()+"/"), func(_ string, b []byte) error {
		var e Entry
		if err := json.Unmarshal(b, &e); err != nil {
			return err
		}
		if covers(e.Mailbox) {
			gone = append(gone, e)
		}
		return nil
	})
	for _, e := range gone {
		if err == nil {
			err = space.Delete(tx, keyOf(e.Mailbox, e.Address))
		}
		if err == nil {
			_, err = l.log.Append(tx, sign(e.record(audit.SuppressRemove)))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("suppress: remove: %w", err)
	}
	return len(gone), nil
}
