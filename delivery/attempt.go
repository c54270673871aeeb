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
func (f *attempt) met() node.Stop {
	return node.Stop{Mail: f.id, Agent: f.agent, Mailbox: f.mailbox, Past: f.past > 0}
}

// attempts knows every attempt under way, so that a freeze can wait for them (invariant 11).
type attempts struct {
	mu   sync.Mutex
	cond *sync.Cond
	all  map[mail.ID]*attempt
	// met are attempts that Proceed stopped before apply reached them.
	met map[mail.ID]node.Stop
}

func (fs *attempts) init() {
	fs.cond = sync.NewCond(&fs.mu)
	fs.all = map[mail.ID]*attempt{}
	fs.met = map[mail.ID]node.Stop{}
}

func (fs *attempts) has(id mail.ID) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.all[id] != nil
}

// load returns how many attempts each mailbox has under way, by its key, and how
// many there are.
func (fs *attempts) load() (byBox map[string]int, all int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	byBox = map[string]int{}
	for _, f := range fs.all {
		byBox[f.mailbox.Key()]++
	}
	return byBox, len(fs.all)
}

// start registers an attempt before its claim is made, so that there is no
// moment at which a claimed mail is unknown to a freeze.
func (fs *attempts) start(m *mail.Mail, cancel context.CancelCauseFunc) *attempt {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := &attempt{id: m.ID, agent: m.Agent, mailbox: m.Mailbox, cancel: cancel, m: m}
	fs.all[m.ID] = f
	return f
}

// claimed notes what the claim has made of the mail.
func (fs *attempts) claimed(f *attempt, c *gate.Claim) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.m, f.copy = c.Mail, c.CopyOnly
}

func (fs *attempts) end(f *attempt) {
	f.cancel(nil)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.all, f.id)
	fs.cond.Broadcast()
}

// pass runs check for a transaction that asks to go on. While it asks for its
// final dot it counts as passing: a freeze waits for the answer.
func (fs *attempts) pass(f *attempt, phase mail.Phase, check func() error) error {
	fs.mu.Lock()
	if f.stop {
		fs.mu.Unlock()
		return gate.ErrStopped
	}
	f.passing++
	fs.mu.Unlock()

	err := check()

	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.passing--
	switch {
	case err == nil && phase == mail.BeforeDot:
		f.past++
	case errors.Is(err, gate.ErrStopped) && len(fs.met) < node.MaxStops:
		fs.met[f.id] = f.met()
	}
	fs.cond.Broadcast()
	return err
}

// apply stops every attempt that policy does not permit any more and that has not
// been allowed its final dot, and returns when none of them can send one: which
// were stopped, and which were already past it. The change of policy is
// committed before, so that no claim follows that older policy allowed.
func (d *Delivery) apply(ctx context.Context, epoch uint64) ([]node.Stop, error) {
	fs := &d.attempts
	barred, err := d.barred(ctx)
	if err != nil {
		return nil, err
	}
	stopWaking := context.AfterFunc(ctx, fs.wakeAll)
	defer stopWaking()

	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range barred {
		f.stop = true
	}
	late := time.AfterFunc(dotTime, fs.wakeAll)
	defer late.Stop()
	end := time.Now().Add(dotTime)
	for _, f := range barred {
		fs.drain(ctx, f, end)
		fs.met[f.id] = f.met()
	}
	var stops []node.Stop
	for _, s := range fs.met {
		s.Epoch = epoch
		stops = append(stops, s)
	}
	return stops, ctx.Err()
}

// forget drops the stops that are on record.
func (fs *attempts) forget(stops []node.Stop) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, s := range stops {
		delete(fs.met, s.Mail)
	}
}

// barred returns the attempts under way that policy does not permit now.
func (d *Delivery) barred(ctx context.Context) (out []*attempt, err error) {
	type asked struct {
		f    *attempt
		m    *mail.Mail
		copy bool
	}
	var all []asked
	fs := &d.attempts
	fs.mu.Lock()
	for _, f := range fs.all {
		all = append(all, asked{f, f.m, f.copy})
	}
	fs.mu.Unlock()
	err = d.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, a := range all {
			ok, err := d.gate.Permitted(tx, a.m, a.copy)
			if err != nil {
				return err
			}
			if !ok {
				out = append(out, a.f)
			}
		}
		return nil
	})
	return out, err
}

// drain waits until a barred attempt can send nothing more. The caller holds fs.mu.
func (fs *attempts) drain(ctx context.Context, f *attempt, end time.Time) {
	for f.passing > 0 && ctx.Err() == nil {
		fs.cond.Wait()
	}
	if f.past > 0 {
		// Its dot was allowed and is being written. It is safe to wait for
		// the reply, but not for ever.
		for fs.all[f.id] == f && ctx.Err() == nil && time.Now().Before(end) {
			fs.cond.Wait()
		}
		return
	}
	// No dot was allowed and none can be: cutting the connection is safe.
	f.cancel(gate.ErrStopped)
	for fs.all[f.id] == f && ctx.Err() == nil {
		fs.cond.Wait()
	}
}

func (fs *attempts) wakeAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.cond.Broadcast()
}
