package delivery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// idle is how long the dispatcher waits at most before it reads again: other nodes
// wake nobody here.
const idle = 5 * time.Second

// doubtful is how soon the dispatcher reads scheduled mail again while the clock
// is in doubt.
const doubtful = time.Second

// maxBusy is how many mails with several destinations are asked for slots in
// vain before their group loses its turn.
const maxBusy = 100

// pick is a mail that a worker may try to claim: it is due, no freeze and
// no domain keeps it back, and the slots it needs are taken.
type pick struct {
	m       *mail.Mail
	release func()
	attempt *attempt
	ctx     context.Context
}

// turns remembers where the round of the mailboxes stands: after each pick the
// next mailbox has its turn, and inside a mailbox the next group.
type turns struct {
	mailbox string
	group   map[string]queue.Group
}

// found is what one reading found: the mail to attempt next, if any, the groups
// that have none, and how long there is nothing to do.
type found struct {
	now    time.Time // by the store's clock
	mail   *mail.Mail
	group  queue.Group
	asleep []asleep
	wait   time.Duration
	broken map[mail.ID]error // records that cannot be read
}

// next returns the next mail to attempt, or how long there is nothing to do: it
// reads, then takes the slots. Only the dispatcher calls it.
func (d *Delivery) next(ctx context.Context) (*pick, time.Duration, error) {
	if err := d.refresh(ctx); err != nil {
		return nil, 0, err
	}
	for {
		var f *found
		err := d.db.View(ctx, func(tx store.Tx) (err error) {
			f = &found{now: tx.Now(), wait: idle, broken: map[mail.ID]error{}}
			if err := d.nodes.Holds(tx, d.o.Node, d.session); err != nil || d.due.rises(f.now) {
				return err
			}
			return d.find(tx, f)
		})
		if errors.Is(err, node.ErrLost) { // nothing could be claimed
			d.lease.ask()
			return nil, time.Second, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if d.due.rise(f.now) {
			continue // nothing was looked for yet
		}
		for id, err := range f.broken {
			d.o.Log.Error("unreadable", "mail", id, "err", err)
		}
		for _, s := range f.asleep {
			d.due.sleep(s.group, s.until)
		}
		if f.mail == nil {
			return nil, f.wait, nil
		}
		d.turn.mailbox, d.turn.group[f.group.Mailbox()] = f.group.Mailbox(), f.group
		release, ok := d.hop.Reserve(f.mail)
		if !ok {
			continue // the slot that was free went to another
		}
		fctx, cancel := context.WithCancelCause(ctx)
		return &pick{m: f.mail, release: release, attempt: d.attempts.start(f.mail, cancel), ctx: fctx}, 0, nil
	}
}

// find looks for the next mail. A mailbox has at most a quarter of the workers
// while others wait. Beyond that it gets one only when no other mailbox has mail
// to send, and never the last quarter: whoever comes next must not wait for its
// slow hosts.
func (d *Delivery) find(tx store.Tx, f *found) error {
	share := max(1, d.o.Workers/4)
	busy, all := d.attempts.load()
	var over []string
	for _, box := range after(slices.Sorted(maps.Keys(d.due.awake)), d.turn.mailbox) {
		if busy[box] >= share {
			over = append(over, box)
			continue
		}
		if err := d.findIn(tx, box, f); err != nil || f.mail != nil {
			return err
		}
	}
	if len(d.due.later) > 0 {
		f.wait = min(f.wait, max(d.due.later[0].until.Sub(tx.Now()), time.Millisecond))
	}
	if all >= d.o.Workers-share {
		return nil // woken when an attempt ends
	}
	for _, box := range over {
		if err := d.findIn(tx, box, f); err != nil || f.mail != nil {
			return err
		}
	}
	return nil
}

// findIn looks for the next mail of a mailbox, the next group having its turn.
func (d *Delivery) findIn(tx store.Tx, box string, f *found) error {
	mailbox, err := mail.ParseAddress(box)
	if err != nil {
		return err
	}
	stops := map[string]bool{} // agents
	for _, g := range after(slices.Sorted(maps.Keys(d.due.awake[box])), d.turn.group[box]) {
		stopped, known := stops[g.Agent()]
		if !known {
			if stopped, err = d.gate.Stopped(tx, g.Agent(), mailbox); err != nil {
				return err
			}
			stops[g.Agent()] = stopped
		}
		if stopped {
			continue
		}
		if err := d.findGroup(tx, g, f); err != nil || f.mail != nil {
			return err
		}
	}
	return nil
}

// after turns a sorted list so that it begins behind last.
func after[S ~string](list []S, last S) []S {
	for i, s := range list {
		if s > last {
			return append(list[i:len(list):len(list)], list[:i]...)
		}
	}
	return list
}

// findGroup finds the first mail of a group that is due, not under way, and has
// free slots. A group that has none due is put to sleep.
func (d *Delivery) findGroup(tx store.Tx, group queue.Group, f *found) error {
	busy, due := 0, false
	var first time.Time // the first that is not due
	err := d.ledger.Due(tx, group, func(at time.Time, id mail.ID) error {
		if wait := at.Sub(tx.Now()); wait > 0 {
			f.wait = min(f.wait, wait)
			first = at
			return store.Stop
		}
		due = true
		if d.attempts.has(id) {
			return nil
		}
		m, err := d.ledger.Load(tx, id)
		if err != nil {
			// One damaged record must not stop the others, nor pass in silence.
			f.broken[id] = err
			return nil
		}
		switch {
		case !m.NotBefore.IsZero() && !d.o.Trusted():
			// Scheduled mail waits for a clock that is trusted; those behind it need not.
			f.wait = min(f.wait, doubtful)
			busy++
		case d.hop.Free(m):
			f.mail, f.group = m, group
			return store.Stop
		case group.Domain() != "*":
			return store.Stop // the whole group waits for the same slot
		default:
			busy++ // another one may go elsewhere
		}
		if busy >= maxBusy {
			return store.Stop
		}
		return nil
	})
	if err == nil && !due {
		f.asleep = append(f.asleep, asleep{group, first})
	}
	return err
}
