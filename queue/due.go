package queue

import (
	"container/heap"
	"strings"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// walkEvery is how often the dispatcher lists all groups anew: what another
// node has written is found so. Between two walks it looks only at groups in
// which something was written or has become due, so that a commit costs the
// same whatever number of destinations is deferred.
const walkEvery = 30 * time.Second

const (
	maxNotes = 10_000           // due keys not looked at yet; beyond, all groups are walked
	noteLife = 30 * time.Second // the longest a transaction may take to become visible
)

// notes are the due keys that this node's transactions have written. A
// transaction may still be invisible, or fail, when the dispatcher looks: a
// note stays until its key is seen or its time is over.
type notes struct {
	mu      sync.Mutex
	keys    map[string]time.Time // due key to when it was noted
	dropped bool
}

func (n *notes) add(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.keys) >= maxNotes {
		n.keys, n.dropped = nil, true
	}
	if n.keys == nil {
		n.keys = map[string]time.Time{}
	}
	n.keys[key] = time.Now()
}

// visible takes out the keys that has knows, and forgets those too old to come.
// all reports that notes were lost.
func (n *notes) visible(has func(key string) (bool, error)) (keys []string, all bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, n.dropped = n.dropped, false
	for k, at := range n.keys {
		seen, err := has(k)
		if err != nil {
			return nil, true, err
		}
		if seen {
			keys = append(keys, k)
		}
		if seen || time.Since(at) > noteLife {
			delete(n.keys, k)
		}
	}
	return keys, all, nil
}

// groupOf cuts the time and the id off a due key.
func groupOf(key string) string { return key[:strings.LastIndexByte(key, 0)+1] }

// boxOf cuts a group down to its mailbox.
func boxOf(group string) string {
	return group[:len(duePrefix)+strings.IndexByte(group[len(duePrefix):], 0)+1]
}

// asleep is a group whose first mail is due only later.
type asleep struct {
	group string
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
	awake  map[string]map[string]bool
	later  sleepers
	walked time.Time // by the monotonic clock
}

func (g *groups) wake(group string) {
	box := boxOf(group)
	if g.awake[box] == nil {
		g.awake[box] = map[string]bool{}
	}
	g.awake[box][group] = true
}

// sleep puts a group aside: until it is due, or, with a zero time, until
// something is written in it.
func (g *groups) sleep(group string, until time.Time) {
	box := boxOf(group)
	if delete(g.awake[box], group); len(g.awake[box]) == 0 {
		delete(g.awake, box)
	}
	if !until.IsZero() {
		heap.Push(&g.later, asleep{group, until})
	}
}

// refresh wakes the groups in which something may be due now.
func (q *Queue) refresh(tx store.Tx) error {
	g := &q.due
	fresh, all, err := q.notes.visible(func(key string) (bool, error) { return exists(tx, key) })
	if err != nil {
		g.walked = time.Time{}
		return err
	}
	if all || g.walked.IsZero() || time.Since(g.walked) >= walkEvery {
		return q.walk(tx)
	}
	for _, key := range fresh {
		g.wake(groupOf(key))
	}
	for len(g.later) > 0 && !g.later[0].until.After(tx.Now()) {
		g.wake(heap.Pop(&g.later).(asleep).group)
	}
	return nil
}

// walk lists every group anew.
func (q *Queue) walk(tx store.Tx) error {
	g := groups{awake: map[string]map[string]bool{}, walked: time.Now()}
	boxes, err := parts(tx, duePrefix)
	if err != nil {
		return err
	}
	for _, box := range boxes {
		agents, err := parts(tx, box)
		if err != nil {
			return err
		}
		for _, a := range agents {
			list, err := parts(tx, a)
			if err != nil {
				return err
			}
			for _, group := range list {
				g.wake(group)
			}
		}
	}
	q.due = g
	return nil
}
