package queue

import (
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// The keys of the ledger. A NUL parts what may hold any printable character.
//
//	mail/<id>                                       the record, JSON
//	raw/<id>                                        the canonical bytes (a body)
//	state/<state>/<id>                              index of unfinished outgoing mail
//	state-in/<state>/<id>                           index of unfinished incoming mail
//	box/<mailbox>NUL<id>                            index of outgoing mail by mailbox
//	in/<mailbox>NUL<id>                             index of incoming mail that its mailbox shows
//	due/<mailbox>NUL<agent>NUL<domain>NUL<time><id> ready mail, in groups
//	lease/<time>/<id>                               mail that is being sent
//	held/<time>/<id>                                when a hold expires
//	refused/<time>/<id>                             incoming mail that ended without its mailbox getting it
//	kept/<mailbox>NUL<id>                           mail that is over and not erased yet
//	count/<state>/<node>                            how many there are, decimal; see count.go
//	tally/<kind>/<mailbox>NUL<node>                 count and octets, decimal
const (
	mailPrefix    = "mail/"
	rawPrefix     = "raw/"
	statePrefix   = "state/"
	stateInPrefix = "state-in/"
	boxPrefix     = "box/"
	inPrefix      = "in/"
	duePrefix     = "due/"
	leasePrefix   = "lease/"
	heldPrefix    = "held/"
	keptPrefix    = "kept/"
	refusedPrefix = "refused/"
	countPrefix   = "count/"
	tallyPrefix   = "tally"
)

var space = store.NewSpace(mailPrefix, rawPrefix, statePrefix, stateInPrefix, boxPrefix, inPrefix,
	duePrefix, leasePrefix, heldPrefix, keptPrefix, refusedPrefix, countPrefix, tallyPrefix)

func mailKey(id mail.ID) string { return mailPrefix + string(id) }

// RawKey names the body that holds the canonical bytes of a mail.
func RawKey(id mail.ID) string { return rawPrefix + string(id) }

// statesOf returns the prefix of the index of one state.
func statesOf(d mail.Direction, s mail.State) string {
	if d == mail.Incoming {
		return stateInPrefix + s.String() + "/"
	}
	return statePrefix + s.String() + "/"
}

// mailboxOf returns the prefix of the index of one mailbox.
func mailboxOf(d mail.Direction, box mail.Address) string {
	if d == mail.Incoming {
		return inPrefix + box.Key() + "\x00"
	}
	return boxPrefix + box.Key() + "\x00"
}

// parseStamp undoes store.Stamp; ok is false for anything else.
func parseStamp(s string) (t time.Time, ok bool) {
	ms, err := strconv.ParseUint(s, 16, 63)
	if err != nil || len(s) != 16 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(ms)), true
}

// Group names the ready mails that compete for the same things: a mailbox (for
// fairness), an agent (for freezes) and a destination (for slots).
type Group string

func groupOf(m *mail.Mail) Group {
	return Group(m.Mailbox.Key() + "\x00" + m.Agent + "\x00" + destination(m) + "\x00")
}

// Mailbox returns the key of the mailbox.
func (g Group) Mailbox() string { return g.part(0) }

// Agent returns the name of the agent.
func (g Group) Agent() string { return g.part(1) }

// Domain returns the one domain that the mails go to, or "*" for mails that go
// to several.
func (g Group) Domain() string { return g.part(2) }

func (g Group) part(i int) string {
	parts := strings.SplitN(string(g), "\x00", 4)
	if len(parts) != 4 {
		return ""
	}
	return parts[i]
}

func dueKey(m *mail.Mail) string {
	return duePrefix + string(groupOf(m)) + store.Stamp(m.NextAttempt) + string(m.ID)
}

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

// indexes returns the keys of the indexes that change with the state.
func indexes(m *mail.Mail) []string {
	switch {
	case m.State == mail.Erased:
		return nil
	case m.State.Final():
		keys := []string{keptPrefix + m.Mailbox.Key() + "\x00" + string(m.ID)}
		if m.Direction == mail.Incoming && m.State != mail.Received {
			keys = append(keys, refusedPrefix+store.Stamp(m.FinishedAt)+"/"+string(m.ID))
		}
		return keys
	}
	keys := []string{statesOf(m.Direction, m.State) + string(m.ID)}
	switch m.State {
	case mail.Held, mail.Quarantined:
		keys = append(keys, heldPrefix+store.Stamp(m.ExpiresAt)+"/"+string(m.ID))
	case mail.Ready:
		keys = append(keys, dueKey(m))
	case mail.Sending:
		keys = append(keys, leasePrefix+store.Stamp(m.Lease.Until)+"/"+string(m.ID))
	}
	return keys
}
