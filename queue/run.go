package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// sweepEvery is how often lapsed leases are looked for.
const sweepEvery = 5 * time.Second

// Run attempts what is due until ctx ends, then waits for the attempts under
// way, which a cancelled ctx does not cut: a reply that is not read is a mail
// sent twice. They end by their own timeouts or by the context of stop.
func (q *Queue) Run(ctx, stop context.Context) error {
	if q.policy == nil {
		return errors.New("queue: run without a policy")
	}
	// What a claim asks the log for, it asks by mail: see doubt.
	mended, err := q.log.Reindex(ctx, q.db)
	if mended > 0 {
		q.o.Log.Error("entries were missing from the index of the audit log and are back", "entries", mended)
	}
	if err != nil {
		// The rest of the daemon stays, so that the log can be looked at.
		q.o.Log.Error("nothing is delivered: the audit log is damaged", "err", err)
		<-ctx.Done()
		return nil
	}
	if err := q.lapse(ctx, true); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { defer close(done); q.sweep(ctx) }()
	q.dispatch(ctx, stop)
	<-done
	return nil
}

// sweep gives back lapsed leases from time to time.
func (q *Queue) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := q.lapse(ctx, false); err != nil && ctx.Err() == nil {
				q.o.Log.Error("lapse", "err", err)
			}
		}
	}
}

// dispatch picks mail for as many workers as there are, one at a time, and
// waits for all of them at the end.
func (q *Queue) dispatch(ctx, stop context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, q.o.Workers)
	for ctx.Err() == nil {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		work := q.work.wait()
		p, wait, err := q.pickNext(ctx, stop)
		if p != nil {
			wg.Go(func() {
				defer func() { <-free }()
				q.attempt(p)
			})
			continue
		}
		<-free
		if err != nil && ctx.Err() == nil {
			q.o.Log.Error("pick", "err", err)
			wait = time.Second
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-work:
		case <-t.C:
		}
		t.Stop()
	}
}

// pickNext takes the next mail; nothing is started while results could not be
// recorded: a send that is not recorded is a send that is repeated.
func (q *Queue) pickNext(ctx, stop context.Context) (*pick, time.Duration, error) {
	if err := q.db.Healthy(); err != nil {
		return nil, time.Second, err
	}
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	return q.next(stop)
}

// attempt carries one picked mail through claim, delivery and settling.
func (q *Queue) attempt(p *pick) {
	defer q.Wake() // a slot is free and a mail has moved
	defer p.release()
	defer q.flights.end(p.flight)
	id := p.m.ID
	c, err := q.claimSafely(p)
	if err != nil {
		if context.Cause(p.ctx) == nil {
			q.o.Log.Error("deferred", "mail", id, "err", err)
			if err := q.postpone(p.ctx, id); err != nil {
				q.o.Log.Error("postpone", "mail", id, "err", err)
			}
		}
		return
	}
	if c == nil {
		return
	}
	q.o.Log.Info("released", "mail", id, "attempt", c.m.Attempts, "mode", c.m.Release.Mode, "basis", c.m.Release.Basis)
	start := time.Now()
	results := q.deliverSafely(p, c)
	q.o.Metrics.AttemptTime.Observe(time.Since(start).Seconds())
	q.settleSurely(p, c, results)
}

// claimSafely makes a panic in a stamp that mail's failure to be claimed.
func (q *Queue) claimSafely(p *pick) (c *claimed, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("queue: panic in the claim: %v\n%s", r, debug.Stack())
		}
	}()
	return q.claim(p.ctx, p.m.ID)
}

// deliverSafely makes a panic in a delivery that mail's temporary failure.
func (q *Queue) deliverSafely(p *pick, c *claimed) (results []mail.Result) {
	defer func() {
		if r := recover(); r != nil {
			q.o.Log.Error("panic", "mail", c.m.ID, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			results = nil
		}
	}()
	ctx, cancel := context.WithDeadline(p.ctx, time.Now().Add(q.o.Lease-q.margin()))
	defer cancel()
	results = q.deliver.Deliver(ctx, c.view(), c.raw, func(ph mail.Phase) error { return q.proceed(p, c, ph) })
	if errors.Is(context.Cause(p.ctx), errStopped) {
		markStopped(results)
	}
	return results
}

// markStopped tells what a freeze cut off from what the next hop refused.
func markStopped(results []mail.Result) {
	for i := range results {
		r := &results[i]
		r.Stopped = r.Stopped || !r.Delivered && !r.Permanent && !r.Uncertain
	}
}

// margin is the part of a lease in which no new final dot is sent.
func (q *Queue) margin() time.Duration { return q.o.Lease / 10 }

// proceed asks policy once more (LAW 11).
func (q *Queue) proceed(p *pick, c *claimed, phase mail.Phase) error {
	return q.flights.pass(p.flight, phase, func() error {
		return q.db.View(p.ctx, func(tx store.Tx) error {
			if !tx.Now().Add(q.margin()).Before(c.m.Lease.Until) {
				return errors.New("queue: the lease is nearly over")
			}
			epoch, err := q.policy.Epoch(tx)
			if err != nil || epoch == c.epoch {
				return err
			}
			facts, err := q.policy.Facts(tx, c.m)
			if err != nil {
				return err
			}
			facts.State, facts.Basis, facts.Intact, facts.Due = mail.Ready, c.m.Basis, true, true
			out := step.Step(facts, step.Claim)
			if out.State != mail.Sending || out.CopyOnly && !c.copyOnly {
				return errStopped
			}
			return nil
		})
	})
}

// settleSurely tries until the results are on record, as long as the lease
// lasts: what is not recorded would be sent again.
func (q *Queue) settleSurely(p *pick, c *claimed, results []mail.Result) {
	ctx, start := context.WithoutCancel(p.ctx), time.Now()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		m, err := q.settle(ctx, c, results)
		if err == nil {
			q.tell(m, results)
			return
		}
		q.o.Log.Error("settle", "mail", c.m.ID, "err", err)
		// The lease runs by the store's clock; this bound needs no clock at all.
		if errors.Is(err, mail.ErrStale) || errors.Is(err, store.ErrClosed) || time.Since(start) > q.o.Lease {
			return
		}
		time.Sleep(wait)
	}
}

// tell writes the log lines and counters of one attempt.
func (q *Queue) tell(m *mail.Mail, results []mail.Result) {
	if slices.ContainsFunc(m.Envelope.Rcpts, func(r mail.Rcpt) bool { return r.Result != nil && r.Result.Enhanced == outOfTime }) {
		q.o.Metrics.Limits.WithLabelValues(string(mail.LimitRetryLifetime)).Inc()
	}
	for _, r := range results {
		event, kind := "deferred", "temporary"
		switch {
		case r.Delivered:
			event, kind = "sent", "delivered"
		case r.Stopped:
			kind = "stopped"
		case r.Permanent:
			event, kind = "failed", "permanent"
		}
		if r.Permanent && m.Copied(r.Addr) {
			q.o.Log.Error("the oversight address refuses its copy", "mail", m.ID, "rcpt", r.Addr.String(), "text", r.Message)
		}
		q.o.Metrics.Attempts.WithLabelValues(kind).Inc()
		q.o.Log.Info(event, "mail", m.ID, "rcpt", r.Addr.String(), "state", m.State, "code", r.Code,
			"enhanced", r.Enhanced, "remote", r.Remote, "attempt", m.Attempts, "text", r.Message, "stopped", r.Stopped)
	}
}
