package hook

import (
	"context"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// How often the operator is told that a webhook is switched off, until it works once.
const (
	tellEvery = time.Hour
	maxTells  = 24
)

// tell starts to tell the operator of each webhook that was switched off. What is next is
// committed before it is tried: after a crash it is tried again an hour later.
func (h *Hooks) tell(ctx context.Context, running *sync.WaitGroup) error {
	if h.o.Tell == nil {
		return nil
	}
	var due []Subscription
	err := h.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := h.List(tx)
		due = nil
		for _, s := range all {
			if s.mustTell(tx.Now()) {
				due = append(due, s)
			}
		}
		return err
	})
	for _, s := range due {
		if err := h.claimTell(ctx, s.ID); err != nil {
			return err
		}
		running.Go(func() { h.tellOf(ctx, s) })
	}
	return err
}

func (s Subscription) mustTell(now time.Time) bool {
	return !s.TellAt.IsZero() && !now.Before(s.TellAt)
}

// claimTell commits that the operator is told once more.
func (h *Hooks) claimTell(ctx context.Context, id string) error {
	return h.update(ctx, func(tx store.Tx) error {
		s, err := h.Get(tx, id)
		if err != nil {
			return nil // it was removed
		}
		s.TellAt, s.Tells = tx.Now().Add(tellEvery), s.Tells+1
		if s.Tells >= maxTells {
			s.TellAt = time.Time{}
		}
		return put(tx, subscriptionKey+s.ID, s)
	})
}

// tellOf tells the operator once.
func (h *Hooks) tellOf(ctx context.Context, s Subscription) {
	err := h.o.Tell(ctx, s)
	if err == nil {
		err = h.update(ctx, func(tx store.Tx) error {
			now, err := h.Get(tx, s.ID)
			if err != nil {
				return nil // it was removed
			}
			now.TellAt = time.Time{}
			return put(tx, subscriptionKey+now.ID, now)
		})
	}
	if err != nil && ctx.Err() == nil {
		h.o.Log.Error("webhook notice", "webhook", s.ID, "err", err)
	}
}
