package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
)

// epochPoll is how often the policy epoch is read: a change through another node
// wakes nobody here.
const epochPoll = time.Second

// lease is this node's own, without which it sends nothing: see package node.
type lease struct {
	mu     sync.Mutex
	record node.Record
	renew  chan struct{} // asks for a renewal before its time
}

// begin takes the lease. Whatever policy is in force now is applied: no attempt
// is under way.
func (d *Delivery) begin(ctx context.Context) error {
	d.lease.mu.Lock()
	defer d.lease.mu.Unlock()
	return d.db.Update(ctx, func(tx store.Tx) (err error) {
		r := &d.lease.record
		if r.Applied, err = d.gate.Epoch(tx); err != nil {
			return err
		}
		r.Until = tx.Now().Add(node.LeaseTime)
		return d.nodes.Begin(tx, *r)
	})
}

// keep renews the lease and applies each change of policy, until ctx ends, when
// no attempt is under way: then the lease is given back.
func (d *Delivery) keep(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { d.keepLease(ctx) })
	wg.Go(func() { d.keepPolicy(ctx) })
	wg.Wait()
	ctx = context.WithoutCancel(ctx)
	err := d.applyPolicy(ctx)
	if err == nil {
		err = d.db.Update(ctx, func(tx store.Tx) error { return d.nodes.End(tx, d.o.Node, d.session) })
	}
	if err != nil && !errors.Is(err, store.ErrClosed) {
		d.o.Log.Error("node lease", "err", err)
	}
}

func (d *Delivery) keepLease(ctx context.Context) {
	tick := time.NewTicker(node.RenewTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.lease.renew:
		}
		if err := d.record(ctx, func(*node.Record) {}); err != nil && ctx.Err() == nil {
			d.o.Log.Error("node lease", "err", err)
		}
	}
}

// record renews the lease with a change of the record, and adds stops to it.
func (d *Delivery) record(ctx context.Context, change func(*node.Record), stops ...node.Stop) error {
	d.lease.mu.Lock()
	defer d.lease.mu.Unlock()
	next := d.lease.record
	change(&next)
	err := d.db.Update(ctx, func(tx store.Tx) error {
		next.Until = tx.Now().Add(node.LeaseTime)
		return d.nodes.Renew(tx, next, stops...)
	})
	if err == nil {
		d.lease.record = next
	}
	return err
}

// keepPolicy applies each new epoch. An error leaves the epoch unapplied: it is
// tried again, and whoever waits for it goes on waiting.
func (d *Delivery) keepPolicy(ctx context.Context) {
	tick := time.NewTicker(epochPoll)
	defer tick.Stop()
	for {
		changed := d.nodes.PolicyChanged()
		if err := d.applyPolicy(ctx); err != nil && ctx.Err() == nil {
			d.o.Log.Error("apply policy", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

func (d *Delivery) applyPolicy(ctx context.Context) error {
	var epoch uint64
	var held error
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		epoch, err = d.gate.Epoch(tx)
		held = d.nodes.Holds(tx, d.o.Node, d.session)
		return err
	})
	if err != nil {
		return err
	}
	if errors.Is(held, node.ErrLost) { // by a jump of the clock, or a renewal that failed
		d.lease.ask()
	}
	if epoch == d.lease.applied() {
		return nil
	}
	stops, err := d.apply(ctx, epoch)
	if err != nil {
		return err
	}
	err = d.record(ctx, func(r *node.Record) { r.Applied = epoch }, stops...)
	if err == nil {
		d.attempts.forget(stops)
	}
	return err
}

// ask has the lease renewed before its time.
func (l *lease) ask() {
	select {
	case l.renew <- struct{}{}:
	default:
	}
}

func (l *lease) applied() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.Applied
}
