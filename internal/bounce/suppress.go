package bounce

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

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

// Entry is an address that a mailbox may not send to. It is of one mailbox: what the mail of
// one sender brought about keeps no mail of another back. Who changes the list writes the
// entry in the audit log.
type Entry struct {
	ID        mail.ID      `json:"id"`
	Address   mail.Address `json:"address"`
	Mailbox   mail.Address `json:"mailbox"`
	Reason    Reason       `json:"reason"`
	About     mail.ID      `json:"about"`          // the mail that brought it here
	Code      string       `json:"code,omitempty"` // of a hard bounce (RFC 3463)
	CreatedAt time.Time    `json:"created_at"`
}

// An address has no slash behind its last @, so one address's keys never begin another's.
const suppressPrefix = "suppress/" // + address + "/" + mailbox

func keyOf(mailbox, to mail.Address) string { return suppressPrefix + to.Key() + "/" + mailbox.Key() }

// Add puts an address on the list of a mailbox. One that is there already stays as it is.
func Add(tx store.Tx, e Entry) (added bool, err error) {
	if _, found, err := Find(tx, e.Mailbox, e.Address); err != nil || found {
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
	return true, nil
}

// Find returns the entry that keeps a mailbox from sending to an address.
func Find(tx store.Tx, mailbox, to mail.Address) (e Entry, found bool, err error) {
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
func Page(
	tx store.Tx, cursor string, limit int, covers func(mail.Address) bool,
) (page []Entry, next string, err error) {
	r := store.Prefix(suppressPrefix)
	if cursor != "" {
		r.From = suppressPrefix + cursor + "\x00"
	}
	seen, last := 0, ""
	err = space.Scan(tx, r, func(k string, b []byte) error {
		if len(page) == limit || seen == maxScan {
			next = last
			return store.Stop
		}
		seen, last = seen+1, strings.TrimPrefix(k, suppressPrefix)
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

// Remove takes an address off the lists of the mailboxes that covers knows, and returns what
// was there.
func Remove(tx store.Tx, to mail.Address, covers func(mail.Address) bool) (gone []Entry, err error) {
	err = space.Scan(tx, store.Prefix(suppressPrefix+to.Key()+"/"), func(_ string, b []byte) error {
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
	}
	if err != nil {
		return nil, fmt.Errorf("suppress: remove: %w", err)
	}
	return gone, nil
}
