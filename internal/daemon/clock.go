package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/clock"
	"github.com/multimail/multimail/internal/store"
)

// clockKey is where the store keeps the last trusted mark.
const clockKey = "clock/mark"

var space = store.NewSpace("clock/")

// clockwork records what becomes of the daemon's clock.
type clockwork struct {
	*clock.Clock
	db    store.Store
	log   *audit.Log
	mark  clock.Mark // as the store has it
	doubt string     // as the audit log has it
}

// startClock compares the clock with what the store knows.
func startClock(ctx context.Context, c *clock.Clock, db store.Store, log *audit.Log) (*clockwork, error) {
	w := &clockwork{Clock: c, db: db, log: log}
	var commit time.Time
	err := db.View(ctx, func(tx store.Tx) error {
		b, err := space.Get(tx, clockKey)
		if err == nil {
			err = json.Unmarshal(b, &w.mark)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		newest, err := log.List(tx, 0, 1)
		for _, e := range newest {
			commit = e.Time()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	c.Start(w.mark, commit)
	return w, w.record(ctx)
}

// record writes what has changed: the standing of the clock to the audit log,
// and its mark, once trusted, for the next start.
func (w *clockwork) record(ctx context.Context) error {
	doubt := w.Doubt()
	mark, trusted := w.Mark()
	moved := trusted && mark != w.mark
	if doubt == w.doubt && !moved {
		return nil
	}
	err := w.db.Update(ctx, func(tx store.Tx) error {
		if moved {
			b, err := json.Marshal(mark)
			if err != nil {
				return err
			}
			if err := space.Put(tx, clockKey, b); err != nil {
				return err
			}
		}
		if doubt == w.doubt {
			return nil
		}
		kind, why := audit.ClockDoubt, doubt
		if doubt == "" {
			kind, why = audit.ClockTrust, w.doubt
		}
		_, err := w.log.Append(tx, audit.Record{Kind: kind, Actor: audit.System,
			Facts: map[string]string{"doubt": why}})
		return err
	})
	if err != nil {
		return fmt.Errorf("clock: record: %w", err)
	}
	w.doubt = doubt
	if moved {
		w.mark = mark
	}
	return nil
}
