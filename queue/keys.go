package queue

import (
	"fmt"
	"strconv"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// The keys of the queue. A NUL parts what may hold any printable character.
//
//	mail/<id>                                       the record, JSON
//	raw/<id>                                        the canonical bytes (a body)
//	state/<state>/<id>                              index of unfinished mail
//	count/<state>                                   how many there are, decimal
//	tally                                           the tallies were begun
//	tally/<held or out>/<mailbox>                   count and octets, decimal
//	box/<mailbox>NUL<id>                            index by mailbox
//	due/<mailbox>NUL<agent>NUL<domain>NUL<time><id> ready mail, in groups
//	lease/<time>/<id>                               mail that is being sent
//	held/<time>/<id>                                when a hold expires
const (
	mailPrefix  = "mail/"
	rawPrefix   = "raw/"
	statePrefix = "state/"
	countPrefix = "count/"
	tallyPrefix = "tally/"
	boxPrefix   = "box/"
	duePrefix   = "due/"
	leasePrefix = "lease/"
	heldPrefix  = "held/"
)

var space = store.NewSpace(mailPrefix, rawPrefix, statePrefix, countPrefix, tallyMark, boxPrefix, duePrefix, leasePrefix, heldPrefix)

func mailKey(id mail.ID) string { return mailPrefix + string(id) }

// RawKey names the body that holds the canonical bytes of a mail.
func RawKey(id mail.ID) string { return rawPrefix + string(id) }

func stateKey(s mail.State, id mail.ID) string { return statePrefix + s.String() + "/" + string(id) }

func boxKey(box mail.Address, id mail.ID) string { return boxPrefix + box.Key() + "\x00" + string(id) }

// stampTime writes a time so that keys sort by it.
func stampTime(t time.Time) string { return fmt.Sprintf("%016x", max(t.UnixMilli(), 0)) }

// parseStamp undoes stampTime; ok is false for anything else.
func parseStamp(s string) (t time.Time, ok bool) {
	ms, err := strconv.ParseUint(s, 16, 63)
	if err != nil || len(s) != 16 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(ms)), true
}

// dueGroup names the mails that compete for the same things: a mailbox (for
// fairness), an agent (for freezes) and a destination (for slots).
func dueGroup(m *mail.Mail) string {
	return duePrefix + m.Mailbox.Key() + "\x00" + m.Agent + "\x00" + destination(m) + "\x00"
}

func dueKey(m *mail.Mail) string { return dueGroup(m) + stampTime(m.NextAttempt) + string(m.ID) }

// destination is the one domain of the pending recipients, or "*".
func destination(m *mail.Mail) string {
	d := ""
	for _, r := range m.Envelope.Rcpts {
		switch {
		case r.Standing != mail.Pending:
		case d == "":
			d = r.Addr.Domain()
		case d != r.Addr.Domain():
			return "*"
		}
	}
	return d
}

// indexes returns the index keys of a mail in its present state.
func indexes(m *mail.Mail) []string {
	if m.State.Final() {
		return nil
	}
	keys := []string{stateKey(m.State, m.ID)}
	switch m.State {
	case mail.Held:
		keys = append(keys, heldPrefix+stampTime(m.ExpiresAt)+"/"+string(m.ID))
	case mail.Ready:
		keys = append(keys, dueKey(m))
	case mail.Sending:
		keys = append(keys, leasePrefix+stampTime(m.Lease.Until)+"/"+string(m.ID))
	}
	return keys
}
