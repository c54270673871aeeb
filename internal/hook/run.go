package hook

import (
	"context"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// How many attempts are made at the same time.
const (
	maxAtOnce    = 16
	maxPerTarget = 2 // to one host
)

// job is an attempt that is committed and not made yet.
type job struct {
	s    Subscription
	d    Delivery
	body []byte
	now  time.Time
	err  error // why there is no body
}

// Run follows the log and delivers, until ctx ends and the attempts under way with it.
func (h *Hooks) Run(ctx context.Context) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	for turn := 0; ; turn++ {
		var changed <-chan struct{}
		if h.o.Changed != nil {
			changed = h.o.Changed()
		}
		more, err := h.follow(ctx)
		if err == nil {
			err = h.start(ctx, turn, &attempts)
		}
		if err == nil {
			err = h.tell(ctx, &attempts)
		}
		if err != nil && ctx.Err() == nil {
			h.o.Log.Error("webhooks", "err", err)
		}
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		wake := time.NewTimer(tick)
		select {
		case <-ctx.Done():
			wake.Stop()
			return
		case <-wake.C:
		case <-h.finished:
		case <-changed:
			// What one change writes comes in many commits: they share a look at the log.
			pause(ctx, tick/20)
		}
		wake.Stop()
	}
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// start begins what is due, as far as there are turns. Each subscription has its own queue,
// and turn decides whose is looked at first: one that hangs keeps none from its turn.
func (h *Hooks) start(ctx context.Context, turn int, attempts *sync.WaitGroup) error {
	all, err := h.active(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	return h.o.Store.View(ctx, func(tx store.Tx) error {
		for i := range all {
			s := all[(i+turn)%len(all)]
			if err := h.startOf(ctx, tx, s, attempts); err != nil {
				return err
			}
		}
		return nil
	})
}

// startOf begins what is due for one subscription.
func (h *Hooks) startOf(ctx context.Context, tx store.Tx, s Subscription, attempts *sync.WaitGroup) error {
	r := store.Prefix(dueKey + s.ID + "/")
	r.To = r.From + store.Stamp(tx.Now().Add(time.Millisecond))
	target := host(s.URL)
	return space.Scan(tx, r, func(key string, _ []byte) error {
		id := last(key)
		h.mu.Lock()
		defer h.mu.Unlock()
		switch {
		case len(h.flying) >= maxAtOnce || h.targets[target] >= maxPerTarget:
			return store.Stop
		case h.flying[id]:
			return nil
		}
		h.flying[id] = true
		h.targets[target]++
		attempts.Go(func() {
			h.attempt(ctx, id)
			h.land(id, target)
		})
		return nil
	})
}

// land frees the turn of an attempt.
func (h *Hooks) land(id, target string) {
	h.mu.Lock()
	delete(h.flying, id)
	if h.targets[target]--; h.targets[target] == 0 {
		delete(h.targets, target)
	}
	h.mu.Unlock()
	select {
	case h.finished <- struct{}{}:
	default:
	}
}

// attempt makes one attempt. One that a shutdown cuts is made again: nobody knows whether it
// arrived.
func (h *Hooks) attempt(ctx context.Context, id string) {
	var j *job
	err := h.update(ctx, func(tx store.Tx) (err error) {
		j, err = h.claim(tx, id)
		return err
	})
	if err == nil && j != nil {
		a := answer{problem: ProblemRecord}
		if j.err == nil {
			a = h.client.send(ctx, j)
		}
		if ctx.Err() != nil {
			return
		}
		if a.problem == "" {
			h.o.Count(string(Delivered))
		} else {
			h.o.Count(string(Failed))
		}
		err = h.update(ctx, func(tx store.Tx) error { return h.settle(tx, j, a) })
	}
	if err != nil && ctx.Err() == nil {
		h.o.Log.Error("webhook", "delivery", id, "err", err)
		pause(ctx, tick) // the store may be full: it is not asked again at once
	}
}
