package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// dotTime is how long a change of policy waits for the replies to final dots that
// were allowed before: five octets that are on their way.
const dotTime = 5 * time.Second

// attempt is one attempt of this node, from the moment it was picked.
type attempt struct {
	id      mail.ID
	agent   string
	mailbox mail.Address
	cancel  context.CancelCauseFunc

	// Guarded by attempts.mu.
	m       *mail.Mail // as it was picked, then as it was claimed
	copy    bool       // only the oversight address gets it
	stop    bool       // it may not enter DATA nor send a final dot any more
	passing int        // transactions that are asking for their final dot now
	past    int        // transactions whose final dot was allowed
}

// met is how a change of policy met the attempt; a mail of which one transaction
// had been allowed its final dot is past, whatever became of the others.
func (a *attempt) met() node.Stop {
	return node.Stop{Mail: a.id, Agent: a.agent, Mailbox: a.mailbox, Past: a.past > 0}
}

// attempts knows every attempt under way, so that a freeze can wait for them (invariant 11).
type attempts struct {
	mu   sync.Mutex
	cond *sync.Cond
	all  map[mail.ID]*attempt
	// met are attempts that Proceed stopped before apply reached them.
	met map[mail.ID]node.Stop
}

func (as *attempts) init() {
	as.cond = sync.NewCond(&as.mu)
	as.all = map[mail.ID]*attempt{}
	as.met = map[mail.ID]node.Stop{}
}

func (as *attempts) has(id mail.ID) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.all[id] != nil
}

// load returns how many attempts each mailbox has under way, by its key, and how
// many there are.
func (as *attempts) load() (byBox map[string]int, all int) {
	as.mu.Lock()
	defer as.mu.Unlock()
	byBox = map[string]int{}
	for _, a := range as.all {
		byBox[a.mailbox.Key()]++
	}
	return byBox, len(as.all)
}

// start registers an attempt before its claim is made, so that there is no
// moment at which a claimed mail is unknown to a freeze.
func (as *attempts) start(m *mail.Mail, cancel context.CancelCauseFunc) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := &attempt{id: m.ID, agent: m.Agent, mailbox: m.Mailbox, cancel: cancel, m: m}
	as.all[m.ID] = a
	return a
}

// claimed notes what the claim has made of the mail.
func (as *attempts) claimed(a *attempt, c *gate.Claim) {
	as.mu.Lock()
	defer as.mu.Unlock()
	a.m, a.copy = c.Mail, c.CopyOnly
}

func (as *attempts) end(a *attempt) {
	a.cancel(nil)
	as.mu.Lock()
	defer as.mu.Unlock()
	delete(as.all, a.id)
	as.cond.Broadcast()
}

// pass runs check for a transaction that asks to go on. While it asks for its
// final dot it counts as passing: a freeze waits for the answer.
func (as *attempts) pass(a *attempt, phase mail.Phase, check func() error) error {
	as.mu.Lock()
	if a.stop {
		as.mu.Unlock()
		return gate.ErrStopped
	}
	a.passing++
	as.mu.Unlock()

	err := check()

	as.mu.Lock()
	defer as.mu.Unlock()
	a.passing--
	switch {
	case err == nil && phase == mail.BeforeDot:
		a.past++
	case errors.Is(err, gate.ErrStopped) && len(as.met) < node.MaxStops:
		as.met[a.id] = a.met()
	}
	as.cond.Broadcast()
	return err
}

// apply stops every attempt that policy does not permit any more and that has not
// been allowed its final dot, and returns when none of them can send one: which
// were stopped, and which were already past it. The change of policy is
// committed before, so that no claim follows that older policy allowed.
func (d *Delivery) apply(ctx context.Context, epoch uint64) ([]node.Stop, error) {
	as := &d.attempts
	barred, err := d.barred(ctx)
	if err != nil {
		return nil, err
	}
	stopWaking := context.AfterFunc(ctx, as.wakeAll)
	defer stopWaking()

	as.mu.Lock()
	defer as.mu.Unlock()
	for _, a := range barred {
		a.stop = true
	}
	late := time.AfterFunc(dotTime, as.wakeAll)
	defer late.Stop()
	end := time.Now().Add(dotTime)
	for _, a := range barred {
		as.drain(ctx, a, end)
		as.met[a.id] = a.met()
	}
	var stops []node.Stop
	for _, s := range as.met {
		s.Epoch = epoch
		stops = append(stops, s)
	}
	return stops, ctx.Err()
}

// forget drops the stops that are on record.
func (as *attempts) forget(stops []node.Stop) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, s := range stops {
		delete(as.met, s.Mail)
	}
}

// barred returns the attempts under way that policy does not permit now.
func (d *Delivery) barred(ctx context.Context) (out []*attempt, err error) {
	type asked struct {
		a    *attempt
		m    *mail.Mail
		copy bool
	}
	var all []asked
	as := &d.attempts
	as.mu.Lock()
	for _, a := range as.all {
		all = append(all, asked{a, a.m, a.copy})
	}
	as.mu.Unlock()
	err = d.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, q := range all {
			ok, err := d.gate.Permitted(tx, q.m, q.copy)
			if err != nil {
				return err
			}
			if !ok {
				out = append(out, q.a)
			}
		}
		return nil
	})
	return out, err
}

// drain waits until a barred attempt can send nothing more. The caller holds as.mu.
func (as *attempts) drain(ctx context.Context, a *attempt, end time.Time) {
	for a.passing > 0 && ctx.Err() == nil {
		as.cond.Wait()
	}
	if a.past > 0 {
		// Its dot was allowed and is being written. It is safe to wait for
		// the reply, but not for ever.
		for as.all[a.id] == a && ctx.Err() == nil && time.Now().Before(end) {
			as.cond.Wait()
		}
		return
	}
	// No dot was allowed and none can be: cutting the connection is safe.
	a.cancel(gate.ErrStopped)
	for as.all[a.id] == a && ctx.Err() == nil {
		as.cond.Wait()
	}
}

func (as *attempts) wakeAll() {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.cond.Broadcast()
}
