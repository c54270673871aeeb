package delivery

import (
	"container/heap"
	"context"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/queue"
)

// walkEvery is how often the dispatcher lists all groups anew: what another
// node has written is found so. Between two walks it reads only groups in
// which something was written or has become due, so that a commit costs the
// same whatever number of destinations is deferred.
const walkEvery = 30 * time.Second

// asleep is a group whose first mail is due only later.
type asleep struct {
	group queue.Group
	until time.Time
}

type sleepers []asleep

func (s sleepers) Len() int           { return len(s) }
func (s sleepers) Less(i, j int) bool { return s[i].until.Before(s[j].until) }
func (s sleepers) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sleepers) Push(x any)        { *s = append(*s, x.(asleep)) }
func (s *sleepers) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// groups is what the dispatcher, who alone uses it, knows of the groups: those
// that may hold a due mail, by mailbox, and those that sleep. Every other group
// is empty.
type groups struct {
	awake  map[string]map[queue.Group]bool
	later  sleepers
	walked time.Time // by the monotonic clock
}

func (g *groups) wake(group queue.Group) {
	box := group.Mailbox()
	if g.awake[box] == nil {
		g.awake[box] = map[queue.Group]bool{}
	}
	g.awake[box][group] = true
}

// sleep puts a group aside: until it is due, or, with a zero time, until
// something is written in it.
func (g *groups) sleep(group queue.Group, until time.Time) {
	box := group.Mailbox()
	if delete(g.awake[box], group); len(g.awake[box]) == 0 {
		delete(g.awake, box)
	}
	if !until.IsZero() {
		heap.Push(&g.later, asleep{group, until})
	}
}

// refresh wakes the groups in which mail was written since the last time.
func (d *Delivery) refresh(ctx context.Context) error {
	groups, lost := d.ledger.FreshGroups()
	if lost || d.due.walked.IsZero() || time.Since(d.due.walked) >= walkEvery {
		return d.walk(ctx)
	}
	for _, group := range groups {
		d.due.wake(group)
	}
	return nil
}

// walk lists every group anew.
func (d *Delivery) walk(ctx context.Context) error {
	var all []queue.Group
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		all, err = d.ledger.DueGroups(tx)
		return err
	})
	if err != nil {
		d.due.walked = time.Time{}
		return err
	}
	d.due = groups{awake: map[string]map[queue.Group]bool{}, walked: time.Now()}
	for _, group := range all {
		d.due.wake(group)
	}
	return nil
}

// rises reports whether the time of a sleeping group has come.
func (g *groups) rises(now time.Time) bool { return len(g.later) > 0 && !g.later[0].until.After(now) }

// rise wakes the groups whose time has come, and reports whether there were any.
func (g *groups) rise(now time.Time) (any bool) {
	for g.rises(now) {
		g.wake(heap.Pop(&g.later).(asleep).group)
		any = true
	}
	return any
}
