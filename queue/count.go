package queue

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Each node counts for itself what it has moved, so that nodes which share a
// store do not wait for one row: a state, or a mailbox, has a counter of every
// node, and what there is is their sum. One of them alone may be below zero.

// Tally is how much mail of one kind a mailbox has: mails, and
// octets of their canonical bytes.
type Tally struct {
	Count  int
	Octets int64
}

// tallyKind parts what waits for a decision from what waits for a next hop,
// being sent included, and incoming mail by whether its mailbox shows it. Other mail is in
// no tally.
func tallyKind(d mail.Direction, s mail.State) string {
	switch {
	case s == mail.Held && d == mail.Incoming:
		return "held-in"
	case s == mail.Quarantined:
		return "quarantined"
	case s == mail.Received:
		return "in"
	case s == mail.Held:
		return "held"
	case s == mail.Ready, s == mail.Sending:
		return "out"
	}
	return ""
}

func talliesOf(kind string, box mail.Address) string {
	return tallyPrefix + "/" + kind + "/" + box.Key() + "\x00"
}

// Tally returns what the mailbox has of this direction in state s: held, or
// ready and sending together.
func (l *Ledger) Tally(tx store.Tx, box mail.Address, d mail.Direction, s mail.State) (sum Tally, err error) {
	err = space.Scan(tx, store.Prefix(talliesOf(tallyKind(d, s), box)), func(_ string, b []byte) error {
		t, err := parseTally(b)
		sum.Count, sum.Octets = sum.Count+t.Count, sum.Octets+t.Octets
		return err
	})
	return sum, err
}

func parseTally(b []byte) (t Tally, err error) {
	count, octets, _ := strings.Cut(string(b), " ")
	if t.Count, err = strconv.Atoi(count); err == nil {
		t.Octets, err = strconv.ParseInt(octets, 10, 64)
	}
	if err != nil {
		return t, fmt.Errorf("queue: tally: %w", err)
	}
	return t, nil
}

// addTally changes this node's part of a tally.
func (l *Ledger) addTally(tx store.Tx, kind string, box mail.Address, count int, octets int64) error {
	if kind == "" {
		return nil
	}
	key := talliesOf(kind, box) + l.node
	t, err := Tally{}, error(nil)
	switch b, gerr := space.Get(tx, key); {
	case gerr == nil:
		t, err = parseTally(b)
	case !errors.Is(gerr, store.ErrNotFound):
		err = gerr
	}
	if err != nil {
		return err
	}
	if t = (Tally{t.Count + count, t.Octets + octets}); t == (Tally{}) {
		return space.Delete(tx, key)
	}
	return space.Put(tx, key, fmt.Appendf(nil, "%d %d", t.Count, t.Octets))
}

// count follows a mail from one state to its present one, in the transaction of
// the step.
func (l *Ledger) count(tx store.Tx, m *mail.Mail, from mail.State) error {
	if from == m.State {
		return nil
	}
	if err := errors.Join(l.addCount(tx, from, -1), l.addCount(tx, m.State, 1)); err != nil {
		return err
	}
	before, after := tallyKind(m.Direction, from), tallyKind(m.Direction, m.State)
	if before == after {
		return nil
	}
	return errors.Join(l.addTally(tx, before, m.Mailbox, -1, -m.Size), l.addTally(tx, after, m.Mailbox, 1, m.Size))
}

// addCount changes this node's part of how many mails stand in a state.
func (l *Ledger) addCount(tx store.Tx, s mail.State, d int) error {
	if s == mail.New {
		return nil
	}
	key, n := countPrefix+s.String()+"/"+l.node, 0
	b, err := space.Get(tx, key)
	switch {
	case err == nil:
		n, err = strconv.Atoi(string(b))
	case errors.Is(err, store.ErrNotFound):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("queue: count of %s: %w", s, err)
	}
	return space.Put(tx, key, []byte(strconv.Itoa(n+d)))
}

// Counts returns how many mails stand in each state.
func (l *Ledger) Counts(tx store.Tx) (map[mail.State]int, error) {
	out := map[mail.State]int{}
	for _, s := range mail.States[1:] {
		out[s] = 0
		err := space.Scan(tx, store.Prefix(countPrefix+s.String()+"/"), func(_ string, b []byte) error {
			n, err := strconv.Atoi(string(b))
			out[s] += n
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("queue: count of %s: %w", s, err)
		}
	}
	return out, nil
}

// Recount counts every mail anew, as this node's counters; those of other nodes
// go. It is for a store that no node works on.
func (l *Ledger) Recount(tx store.Tx) error {
	for _, prefix := range []string{countPrefix, tallyPrefix} {
		if err := deleteAll(tx, prefix); err != nil {
			return err
		}
	}
	counts, tallies := map[mail.State]int{}, map[string]Tally{}
	err := space.Scan(tx, store.Prefix(mailPrefix), func(key string, _ []byte) error {
		m, err := l.Load(tx, mail.ID(strings.TrimPrefix(key, mailPrefix)))
		if err != nil {
			return nil // a damaged record is reported where it is used
		}
		counts[m.State]++
		if kind := tallyKind(m.Direction, m.State); kind != "" {
			k := talliesOf(kind, m.Mailbox) + l.node
			tallies[k] = Tally{tallies[k].Count + 1, tallies[k].Octets + m.Size}
		}
		return nil
	})
	for s, n := range counts {
		if err == nil {
			err = l.addCount(tx, s, n)
		}
	}
	for key, t := range tallies {
		if err == nil {
			err = space.Put(tx, key, fmt.Appendf(nil, "%d %d", t.Count, t.Octets))
		}
	}
	return err
}

// deleteAll deletes every key below a prefix.
func deleteAll(tx store.Tx, prefix string) error {
	var keys []string
	err := space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	})
	for _, k := range keys {
		if err == nil {
			err = space.Delete(tx, k)
		}
	}
	return err
}
