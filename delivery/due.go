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

// refresh wakes the groups in which something may be due now.
// groups are those in which mail was written; lost says that there are more.
func (d *Delivery) refresh(ctx context.Context, groups []queue.Group, lost bool) error {
	walk := lost || d.due.walked.IsZero() || time.Since(d.due.walked) >= walkEvery
	var now time.Time
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		if now = tx.Now(); walk {
			groups, err = d.ledger.DueGroups(tx)
		}
		return err
	})
	if err != nil {
		d.due.walked = time.Time{}
		return err
	}
	if walk {
		d.due.forget()
	}
	for _, group := range groups {
		d.due.wake(group)
	}
	d.due.rise(now)
	return nil
}

// forget makes every group unknown before all of them are listed anew.
func (g *groups) forget() {
	*g = groups{awake: map[string]map[queue.Group]bool{}, walked: time.Now()}
}

// rise wakes the groups whose time has come.
func (g *groups) rise(now time.Time) {
	for len(g.later) > 0 && !g.later[0].until.After(now) {
		g.wake(heap.Pop(&g.later).(asleep).group)
	}
}
