package queue

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// idle is how long the dispatcher waits at most before it looks again: other nodes
// wake nobody here.
const idle = 5 * time.Second

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
func (q *Queue) next(ctx context.Context) (p *pick, wait time.Duration, err error) {
	wait = idle
	err = q.db.View(ctx, func(tx store.Tx) error {
		boxes, err := parts(tx, duePrefix)
		if err != nil {
			return err
		}
		for _, box := range after(boxes, q.turn.mailbox) {
			groups, err := q.groups(tx, box)
			if err != nil {
				return err
			}
			for _, g := range after(groups, q.turn.group[box]) {
				if p, err = q.pickFrom(ctx, tx, g, &wait); err != nil || p != nil {
					q.turn.mailbox, q.turn.group[box] = box, g
					return err
				}
			}
		}
		return nil
	})
	return p, wait, err
}

// parts lists the distinct next parts of the keys below prefix, each with its
// prefix and the closing NUL, with one seek for each.
func parts(tx store.Tx, prefix string) ([]string, error) {
	var out []string
	r := store.Prefix(prefix)
	for {
		found := ""
		err := tx.Scan(r, func(key string, _ []byte) error {
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

// groups lists the groups of one mailbox that no freeze covers.
func (q *Queue) groups(tx store.Tx, box string) ([]string, error) {
	agents, err := parts(tx, box)
	if err != nil {
		return nil, err
	}
	mailbox, err := mail.ParseAddress(box[len(duePrefix) : len(box)-1])
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range agents {
		frozen, err := q.policy.Frozen(tx, a[len(box):len(a)-1], mailbox)
		if err != nil {
			return nil, err
		}
		if frozen {
			continue
		}
		groups, err := parts(tx, a)
		if err != nil {
			return nil, err
		}
		out = append(out, groups...)
	}
	return out, nil
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

// pickFrom takes the first mail of a group that is due and not in flight.
func (q *Queue) pickFrom(ctx context.Context, tx store.Tx, group string, wait *time.Duration) (p *pick, err error) {
	busy := 0
	err = tx.Scan(store.Prefix(group), func(key string, _ []byte) error {
		rest := key[len(group):]
		at, ok := parseStamp(rest[:min(16, len(rest))])
		if !ok {
			return errors.New("queue: malformed due key")
		}
		if d := at.Sub(tx.Now()); d > 0 {
			*wait = min(*wait, d)
			return store.Stop
		}
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
	return p, err
}
