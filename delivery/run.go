package delivery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// sweepEvery is how often lapsed leases are looked for.
const sweepEvery = 5 * time.Second

// Run attempts what is due until ctx ends, then waits for the attempts under
// way, which a cancelled ctx does not cut: a reply that is not read is a mail
// sent twice. They end by their own timeouts or by the context of stop.
func (d *Delivery) Run(ctx, stop context.Context) error {
	// What a claim asks the log for, it asks by mail.
	mended, err := d.gate.MendLog(ctx)
	if mended > 0 {
		d.o.Log.Error("entries were missing from the index of the audit log and are back", "entries", mended)
	}
	if err != nil {
		// The rest of the daemon stays, so that the log can be read.
		d.o.Log.Error("nothing is delivered: the audit log is damaged", "err", err)
		<-ctx.Done()
		return nil
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	keeping, release := context.WithCancel(context.WithoutCancel(ctx))
	var kept sync.WaitGroup
	kept.Go(func() { d.keep(keeping) })
	defer kept.Wait()
	defer release()
	if err := d.lapse(ctx, d.o.Node); err != nil {
		return err
	}
	var swept sync.WaitGroup
	swept.Go(func() { d.sweep(ctx) })
	d.dispatch(ctx, stop)
	swept.Wait()
	return nil
}

// sweep gives back lapsed leases from time to time.
func (d *Delivery) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.lapse(ctx, ""); err != nil && ctx.Err() == nil {
				d.o.Log.Error("lapse", "err", err)
			}
		}
	}
}

// lapse gives back the mails whose lease is over, or, at the start of this node,
// those it held when it ended.
func (d *Delivery) lapse(ctx context.Context, starting string) error {
	var ids []mail.ID
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		ids, err = d.ledger.Leased(tx, starting == "")
		return err
	})
	for _, id := range ids {
		if d.attempts.has(id) {
			continue
		}
		// One damaged record must not stop the others, nor pass in silence.
		if err := d.gate.Lapse(ctx, id, starting); err != nil {
			d.o.Log.Error("lapse", "mail", id, "err", err)
		}
	}
	return err
}

// dispatch picks mail for as many workers as there are, one at a time, and
// waits for all of them at the end.
func (d *Delivery) dispatch(ctx, stop context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, d.o.Workers)
	for ctx.Err() == nil {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		written, policy := d.ledger.Changed(), d.nodes.PolicyChanged()
		p, wait, err := d.pickNext(ctx, stop)
		if p != nil {
			wg.Go(func() {
				defer func() { <-free }()
				d.attempt(p)
			})
			continue
		}
		<-free
		if err != nil && ctx.Err() == nil {
			d.o.Log.Error("pick", "err", err)
			wait = time.Second
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.ended:
		case <-written:
		case <-policy:
		case <-d.hop.Freed():
		case <-t.C:
		}
		t.Stop()
	}
}

// pickNext takes the next mail; nothing is started while results could not be
// recorded: a send that is not recorded is a send that is repeated.
func (d *Delivery) pickNext(ctx, stop context.Context) (*pick, time.Duration, error) {
	if err := d.db.Healthy(); err != nil {
		return nil, time.Second, err
	}
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	return d.next(stop)
}

// wake has the dispatcher read again.
func (d *Delivery) wake() {
	select {
	case d.ended <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// attempt carries one picked mail through claim, delivery and settling.
func (d *Delivery) attempt(p *pick) {
	defer d.wake() // a slot is free
	defer p.release()
	defer d.attempts.end(p.attempt)
	id := p.m.ID
	c, err := d.claimSafely(p)
	if errors.Is(err, node.ErrLost) { // not the mail's fault: nothing is picked before there is a lease
		return
	}
	if err != nil {
		if context.Cause(p.ctx) == nil {
			d.o.Log.Error("deferred", "mail", id, "err", err)
			if err := d.gate.Postpone(p.ctx, id, d.backoff(1)); err != nil {
				d.o.Log.Error("postpone", "mail", id, "err", err)
			}
		}
		return
	}
	if c == nil {
		return
	}
	d.o.Log.Info("released", "mail", id, "attempt", c.Mail.Attempts,
		"mode", c.Mail.Release.Mode, "basis", c.Mail.Release.Basis)
	d.attempts.claimed(p.attempt, c)
	start := time.Now()
	results := d.deliverSafely(p, c)
	d.o.Metrics.AttemptTime.Observe(time.Since(start).Seconds())
	d.settleSurely(p, c, results)
}

// claimSafely makes a panic in a stamp that mail's failure to be claimed.
func (d *Delivery) claimSafely(p *pick) (c *gate.Claim, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("delivery: panic in the claim: %v\n%s", r, debug.Stack())
		}
	}()
	for {
		c, err := d.claim(p.ctx, p.m.ID)
		if !errors.Is(err, gate.ErrTerms) {
			return c, err
		}
	}
}

// claim stamps a mail and claims it; nil when there is nothing to send now.
func (d *Delivery) claim(ctx context.Context, id mail.ID) (*gate.Claim, error) {
	c, err := d.gate.Candidate(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.Stamped {
		if err := d.stamp(ctx, c.Mail, c.Raw); err != nil {
			return nil, err
		}
	}
	return d.gate.Claim(ctx, c, gate.Lease{
		Node: d.o.Node, Session: d.session, For: d.o.Lease, Margin: d.margin(), Retry: d.backoff(c.Mail.Attempts + 1),
	})
}

// stamp makes every stamp of a first attempt; invariant 7: no key, no mail.
func (d *Delivery) stamp(ctx context.Context, m *mail.Mail, raw []byte) error {
	for _, s := range d.o.Stamps {
		h, err := s.Stamp(ctx, m, raw)
		if err != nil {
			return fmt.Errorf("delivery: stamp %s: %w", m.ID, err)
		}
		m.Prefix = append(append([]byte(nil), h...), m.Prefix...)
	}
	return nil
}

// deliverSafely makes a panic in a delivery that mail's temporary failure.
func (d *Delivery) deliverSafely(p *pick, c *gate.Claim) (results []mail.Result) {
	defer func() {
		if r := recover(); r != nil {
			d.o.Log.Error("panic", "mail", c.Mail.ID, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			results = nil
		}
	}()
	ctx, cancel := context.WithDeadline(p.ctx, time.Now().Add(d.o.Lease-d.margin()))
	defer cancel()
	results = d.hop.Deliver(ctx, c.Envelope(), c.Raw, func(ph mail.Phase) error { return d.proceed(p, c, ph) })
	if errors.Is(context.Cause(p.ctx), gate.ErrStopped) {
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
func (d *Delivery) margin() time.Duration { return d.o.Lease / 10 }

// proceed asks policy once more (invariant 11).
func (d *Delivery) proceed(p *pick, c *gate.Claim, phase mail.Phase) error {
	return d.attempts.pass(p.attempt, phase, func() error { return d.gate.Proceed(p.ctx, c) })
}

// settleSurely tries until the results are on record, as long as the lease
// lasts: what is not recorded would be sent again.
func (d *Delivery) settleSurely(p *pick, c *gate.Claim, results []mail.Result) {
	ctx, start := context.WithoutCancel(p.ctx), time.Now()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		m, err := d.gate.Settle(ctx, c, results)
		if err == nil {
			d.report(m, results)
			return
		}
		d.o.Log.Error("settle", "mail", c.Mail.ID, "err", err)
		// The lease runs by the store's clock; this bound needs no clock at all.
		if errors.Is(err, mail.ErrStale) || errors.Is(err, store.ErrClosed) || time.Since(start) > d.o.Lease {
			return
		}
		time.Sleep(wait)
	}
}

func outOfTime(r mail.Rcpt) bool { return r.Result != nil && r.Result.Enhanced == gate.OutOfTime }

// report writes the log lines and counters of one attempt.
func (d *Delivery) report(m *mail.Mail, results []mail.Result) {
	if slices.ContainsFunc(m.Envelope.Rcpts, outOfTime) {
		d.o.Metrics.Limits.WithLabelValues(string(mail.LimitRetryLifetime)).Inc()
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
			d.o.Log.Error("the oversight address refuses its copy", "mail", m.ID, "rcpt", r.Addr.String(), "text", r.Message)
		}
		d.o.Metrics.Attempts.WithLabelValues(kind).Inc()
		d.o.Log.Info(event, "mail", m.ID, "rcpt", r.Addr.String(), "state", m.State, "code", r.Code,
			"enhanced", r.Enhanced, "remote", r.Remote, "attempt", m.Attempts, "text", r.Message, "stopped", r.Stopped)
	}
}
