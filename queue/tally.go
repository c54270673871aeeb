package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Tally is how much unfinished mail of one kind a mailbox has: mails, and
// octets of their canonical bytes.
type Tally struct {
	Count  int
	Octets int64
}

// tallyMark says that the tallies were begun in this store; a data directory
// from before them is counted once.
const tallyMark = "tally"

// tallyKind parts what waits for a decision from what waits for a next hop,
// being sent included. Other mail is in no tally.
func tallyKind(s mail.State) string {
	switch s {
	case mail.Held:
		return "held"
	case mail.Ready, mail.Sending:
		return "out"
	}
	return ""
}

func tallyKey(kind string, box mail.Address) string { return tallyPrefix + kind + "/" + box.Key() }

// Tally returns what the mailbox has in state s: held, or ready and sending together.
func (q *Queue) Tally(tx store.Tx, box mail.Address, s mail.State) (Tally, error) {
	return readTally(tx, tallyKey(tallyKind(s), box))
}

func readTally(tx store.Tx, key string) (t Tally, err error) {
	b, err := space.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return t, nil
	}
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%d %d", &t.Count, &t.Octets)
	}
	if err != nil {
		return t, fmt.Errorf("queue: tally: %w", err)
	}
	return t, nil
}

func writeTally(tx store.Tx, key string, t Tally) error {
	if t.Count <= 0 {
		return space.Delete(tx, key)
	}
	return space.Put(tx, key, fmt.Appendf(nil, "%d %d", t.Count, max(t.Octets, 0)))
}

// tally follows a mail from one state to another, in the transaction of the step.
func (q *Queue) tally(tx store.Tx, m *mail.Mail, from, to mail.State) error {
	before, after := tallyKind(from), tallyKind(to)
	if before == after {
		return nil
	}
	add := func(kind string, count int, octets int64) error {
		if kind == "" {
			return nil
		}
		t, err := readTally(tx, tallyKey(kind, m.Mailbox))
		if err != nil {
			return err
		}
		return writeTally(tx, tallyKey(kind, m.Mailbox), Tally{t.Count + count, t.Octets + octets})
	}
	return errors.Join(add(before, -1, -m.Size), add(after, 1, m.Size))
}

// beginTallies counts the unfinished mail of a store that has no tallies yet.
// A record that cannot be read is left out: it is told of where it is used.
func (q *Queue) beginTallies(ctx context.Context) error {
	begun := false
	err := q.db.View(ctx, func(tx store.Tx) error {
		_, err := space.Get(tx, tallyMark)
		begun = err == nil
		return notMissing(err)
	})
	if err != nil || begun {
		return err
	}
	return q.db.Update(ctx, func(tx store.Tx) error {
		all, err := countTallies(tx)
		if err != nil {
			return err
		}
		for key, t := range all {
			if err := writeTally(tx, key, t); err != nil {
				return err
			}
		}
		return space.Put(tx, tallyMark, []byte("1"))
	})
}

// countTallies adds up what the indexes of unfinished mail name.
func countTallies(tx store.Tx) (map[string]Tally, error) {
	all := map[string]Tally{}
	for _, s := range []mail.State{mail.Held, mail.Ready, mail.Sending} {
		prefix := statePrefix + s.String() + "/"
		err := space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
			m, err := load(tx, mail.ID(key[len(prefix):]))
			if err != nil {
				return nil
			}
			k := tallyKey(tallyKind(s), m.Mailbox)
			all[k] = Tally{all[k].Count + 1, all[k].Octets + m.Size}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func notMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
