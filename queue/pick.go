package queue

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// idle is how long the dispatcher waits at most before it looks again: other nodes
// wake nobody here.
const idle = 5 * time.Second

// doubtful is how soon the dispatcher looks again at scheduled mail while the
// clock is in doubt.
const doubtful = time.Second

// maxBusy is how many mails with several destinations are tried in vain
// before their group loses its turn.
const maxBusy = 100

// pick is a mail that a worker may try to claim: it is due, nothing freezes
// it, and the slots it needs are taken.
type pick struct {
	m       *mail.Mail
	release func()
	flight  *flight
	ctx     context.Context
}

// turns remembers where the round of the mailboxes stands: after each pick the
// next mailbox has its turn, and inside a mailbox the next group.
type turns struct {
	mailbox string
	group   map[string]string
}

// next returns the next mail to attempt, or how long there is nothing to do.
// Only the dispatcher calls it.
//
// A mailbox has at most a quarter of the workers while others wait. Beyond that
// it gets one only when no other mailbox has mail to send, and never the last
// quarter: whoever comes next must not wait for its slow hosts.
func (q *Queue) next(ctx context.Context) (p *pick, wait time.Duration, err error) {
	wait = idle
	err = q.db.View(ctx, func(tx store.Tx) error {
		if err := q.refresh(tx); err != nil {
			return err
		}
		share := max(1, q.o.Workers/4)
		busy, all := q.flights.load()
		var over []string
		for _, box := range after(slices.Sorted(maps.Keys(q.due.awake)), q.turn.mailbox) {
			if busy[box] >= share {
				over = append(over, box)
				continue
			}
			if p, err = q.pickBox(ctx, tx, box, &wait); err != nil || p != nil {
				return err
			}
		}
		if len(q.due.later) > 0 {
			wait = min(wait, max(q.due.later[0].until.Sub(tx.Now()), time.Millisecond))
		}
		if all >= q.o.Workers-share {
			return nil // woken when an attempt ends
		}
		for _, box := range over {
			if p, err = q.pickBox(ctx, tx, box, &wait); err != nil || p != nil {
				return err
			}
		}
		return nil
	})
	return p, wait, err
}

// pickBox takes the next mail of a mailbox, the next group having its turn.
func (q *Queue) pickBox(ctx context.Context, tx store.Tx, box string, wait *time.Duration) (*pick, error) {
	mailbox, err := mail.ParseAddress(box[len(duePrefix) : len(box)-1])
	if err != nil {
		return nil, err
	}
	frozen := map[string]bool{} // agents
	for _, g := range after(slices.Sorted(maps.Keys(q.due.awake[box])), q.turn.group[box]) {
		agent, _, _ := strings.Cut(g[len(box):], "\x00")
		stopped, known := frozen[agent]
		if !known {
			if stopped, err = q.policy.Frozen(tx, agent, mailbox); err != nil {
				return nil, err
			}
			frozen[agent] = stopped
		}
		if stopped {
			continue
		}
		if p, err := q.pickFrom(ctx, tx, g, wait); err != nil || p != nil {
			q.turn.mailbox, q.turn.group[box] = box, g
			return p, err
		}
	}
	return nil, nil
}

// parts lists the distinct next parts of the keys below prefix, each with its
// prefix and the closing NUL, with one seek for each.
func parts(tx store.Tx, prefix string) ([]string, error) {
	var out []string
	r := store.Prefix(prefix)
	for {
		found := ""
		err := space.Scan(tx, r, func(key string, _ []byte) error {
			rest := key[len(prefix):]
			found = prefix + rest[:strings.IndexByte(rest, 0)+1]
			return store.Stop
		})
		if err != nil || found == "" {
			return out, err
		}
		out = append(out, found)
		r.From = store.Prefix(found).To
	}
}

// after turns a sorted list so that it begins behind last.
func after(list []string, last string) []string {
	for i, s := range list {
		if s > last {
			return append(list[i:len(list):len(list)], list[:i]...)
		}
	}
	return list
}

// pickFrom takes the first mail of a group that is due and not in flight. A
// group that has none is put to sleep.
func (q *Queue) pickFrom(ctx context.Context, tx store.Tx, group string, wait *time.Duration) (p *pick, err error) {
	busy, due := 0, false
	var first time.Time // the first that is not due
	err = space.Scan(tx, store.Prefix(group), func(key string, _ []byte) error {
		rest := key[len(group):]
		at, ok := parseStamp(rest[:min(16, len(rest))])
		if !ok {
			return errors.New("queue: malformed due key")
		}
		if d := at.Sub(tx.Now()); d > 0 {
			*wait = min(*wait, d)
			first = at
			return store.Stop
		}
		due = true
		id := mail.ID(rest[16:])
		if q.flights.has(id) {
			return nil
		}
		m, err := load(tx, id)
		if err != nil {
			// One damaged record must not stop the others, nor pass in silence.
			q.o.Log.Error("unreadable", "mail", id, "err", err)
			return nil
		}
		if !m.NotBefore.IsZero() && !q.o.Trusted() {
			// Scheduled mail waits for a clock that is trusted; those behind it need not.
			*wait = min(*wait, doubtful)
			if busy++; busy < maxBusy {
				return nil
			}
			return store.Stop
		}
		release, ok := q.deliver.Reserve(m)
		if !ok {
			if busy++; strings.HasSuffix(group, "\x00*\x00") && busy < maxBusy {
				return nil // another one may go elsewhere
			}
			return store.Stop // the whole group waits for the same slot
		}
		fctx, cancel := context.WithCancelCause(ctx)
		p = &pick{m: m, release: release, flight: q.flights.start(m, cancel), ctx: fctx}
		return store.Stop
	})
	if err == nil && !due {
		q.due.sleep(group, first)
	}
	return p, err
}
