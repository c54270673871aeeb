package gate

import (
	"context"
	"errors"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// sweep is how often overdue holds are looked for.
const sweep = time.Second

// Run expires overdue holds until ctx ends, and finishes what a closed account asks for. An
// expired mail is never sent: no timer approves anything.
func (g *Gate) Run(ctx context.Context) error {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	closing := true // perhaps: a start goes on with what a crash left
	for n := 0; ; n++ {
		if closing || n%60 == 0 {
			var err error
			if closing, err = g.FinishClosing(ctx); err != nil && ctx.Err() == nil {
				g.o.Log.Error("close the account", "err", err)
			}
		}
		if err := g.Expire(ctx); err != nil && ctx.Err() == nil {
			g.o.Log.Error("expire", "err", err)
		}
		if n%60 == 0 {
			if err := g.Retain(ctx); err != nil && ctx.Err() == nil {
				g.o.Log.Error("retain", "err", err)
			}
			if err := g.ExpireCodes(ctx); err != nil && ctx.Err() == nil {
				g.o.Log.Error("expire", "err", err)
			}
		}
		g.sweepRefusals(ctx, false)
		if n%3600 == 0 {
			if err := g.db.Update(ctx, g.forget); err != nil && ctx.Err() == nil {
				g.o.Log.Error("forget", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			g.sweepRefusals(ctx, true)
			return nil
		case <-g.closed:
			closing = true
		case <-tick.C:
		}
	}
}

// Expire ends every hold that is overdue now, unless the clock is in doubt.
func (g *Gate) Expire(ctx context.Context) error {
	if !g.o.Trusted() {
		return nil
	}
	var ids []mail.ID
	err := g.db.View(ctx, func(tx store.Tx) (err error) {
		ids, err = g.q.Overdue(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := g.update(ctx, func(tx store.Tx) error { return g.expire(tx, id) })
		switch {
		case err == nil:
			g.o.Metrics.Decisions.WithLabelValues("expire").Inc()
			g.o.Log.Info("expired", "mail", id)
		case !errors.Is(err, mail.ErrStale): // the others still expire
			g.o.Log.Error("expire", "mail", id, "err", err)
		}
	}
	return g.holdWaiting(ctx)
}

// ExpireCodes voids what waits for a code of the operator whose time is over, unless the
// clock is in doubt.
func (g *Gate) ExpireCodes(ctx context.Context) error {
	if !g.o.Trusted() {
		return nil
	}
	some := false
	err := g.db.View(ctx, func(tx store.Tx) (err error) {
		some, err = g.reg.ExpiredCodes(tx)
		return err
	})
	if err != nil || !some {
		return err
	}
	return g.db.Update(ctx, g.reg.ExpireCodes)
}

func (g *Gate) expire(tx store.Tx, id mail.ID) error {
	m, err := g.q.Load(tx, id)
	if err != nil {
		return err
	}
	facts, err := g.Facts(tx, m)
	if err != nil {
		return err
	}
	out, err := g.move(tx, m, queue.Change{Event: step.Expire, Facts: facts, Actor: audit.System,
		Apply: func(m *mail.Mail, _ audit.Ref) {
			if m.State == mail.Held { // it was ready, and begins anew
				voidRelease(m, tx.Now())
			}
		}})
	if err == nil && out.Answer != step.Done {
		err = mail.ErrStale // somebody decided in the meantime
	}
	return err
}
