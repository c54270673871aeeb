package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/multimail/multimail/mail"
)

// errStopped is what proceed answers when policy has changed since the claim.
var errStopped = errors.New("queue: stopped by policy")

// dotTime is how long a stop waits for the reply to a final dot that was
// allowed before: five octets that are on their way.
const dotTime = 5 * time.Second

// flight is one attempt of this node, from the moment it was picked.
type flight struct {
	id      mail.ID
	agent   string
	mailbox mail.Address
	cancel  context.CancelCauseFunc

	// Guarded by flights.mu.
	stop    bool // it may not enter DATA nor send a final dot any more
	passing int  // transactions that are asking for their final dot now
	past    int  // transactions whose final dot was allowed
}

// flights knows every attempt under way, so that a freeze can wait for them (LAW 11).
type flights struct {
	mu   sync.Mutex
	cond *sync.Cond
	all  map[mail.ID]*flight
}

func (fs *flights) init() {
	fs.cond = sync.NewCond(&fs.mu)
	fs.all = map[mail.ID]*flight{}
}

func (fs *flights) has(id mail.ID) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.all[id] != nil
}

// load returns how many attempts each mailbox has under way, by the prefix of
// its due keys, and how many there are.
func (fs *flights) load() (byBox map[string]int, all int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	byBox = map[string]int{}
	for _, f := range fs.all {
		byBox[duePrefix+f.mailbox.Key()+"\x00"]++
	}
	return byBox, len(fs.all)
}

// start registers an attempt before its claim is made, so that there is no
// moment at which a claimed mail is unknown to a freeze.
func (fs *flights) start(m *mail.Mail, cancel context.CancelCauseFunc) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := &flight{id: m.ID, agent: m.Agent, mailbox: m.Mailbox, cancel: cancel}
	fs.all[m.ID] = f
	return f
}

func (fs *flights) end(f *flight) {
	f.cancel(nil)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.all, f.id)
	fs.cond.Broadcast()
}

// pass runs check for a transaction that asks to go on. While it asks for its
// final dot it counts as passing: a freeze waits for the answer.
func (fs *flights) pass(f *flight, phase mail.Phase, check func() error) error {
	fs.mu.Lock()
	if f.stop {
		fs.mu.Unlock()
		return errStopped
	}
	f.passing++
	fs.mu.Unlock()

	err := check()

	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.passing--
	if err == nil && phase == mail.BeforeDot {
		f.past++
	}
	fs.cond.Broadcast()
	return err
}

// Quiesce stops every attempt in scope that has not been allowed its final
// dot, and returns when none can send one any more: which were stopped, and
// which were already past it. The change of policy must be committed before,
// or new claims would follow.
func (q *Queue) Quiesce(ctx context.Context, scope func(agent string, mailbox mail.Address) bool) (stopped, past []mail.ID, err error) {
	fs := &q.flights
	wakeAll := func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		fs.cond.Broadcast()
	}
	wake := context.AfterFunc(ctx, wakeAll)
	defer wake()

	fs.mu.Lock()
	defer fs.mu.Unlock()
	var mine []*flight
	for _, f := range fs.all {
		if scope(f.agent, f.mailbox) {
			mine = append(mine, f)
			f.stop = true
		}
	}
	for _, f := range mine {
		for f.passing > 0 && ctx.Err() == nil {
			fs.cond.Wait()
		}
		if f.past > 0 {
			// Its dot was allowed and is being written. It is safe to wait for
			// the reply, but not for ever.
			late := time.AfterFunc(dotTime, wakeAll)
			for end := time.Now().Add(dotTime); fs.all[f.id] == f && ctx.Err() == nil && time.Now().Before(end); {
				fs.cond.Wait()
			}
			late.Stop()
			past = append(past, f.id)
			continue
		}
		// No dot was allowed and none can be: cutting the connection is safe.
		f.cancel(errStopped)
		for fs.all[f.id] == f && ctx.Err() == nil {
			fs.cond.Wait()
		}
		stopped = append(stopped, f.id)
	}
	return stopped, past, ctx.Err()
}
