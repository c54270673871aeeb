package delivery_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
)

// fixture is a delivery in a real system; only the next hop and the clock are
// the test's.
type fixture struct {
	*systemtest.Example
	ctx context.Context
}

func build(t testing.TB) *fixture {
	h := &fixture{Example: systemtest.NewExample(t), ctx: t.Context()}
	h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{})
	return h
}

// delivers returns a delivery behind the gate with these options. What is not
// set is as the configuration has it.
func (h *fixture) delivers(db store.Store, hop delivery.Hop, o delivery.Options) *delivery.Delivery {
	h.Helper()
	o.Trusted = h.Trusted
	return delivers(h.System, db, hop, o)
}

func delivers(s *systemtest.System, db store.Store, hop delivery.Hop, o delivery.Options) *delivery.Delivery {
	s.Helper()
	q := config.Default().Queue
	o.Node, o.Log, o.Jitter = cmp.Or(o.Node, systemtest.Node), systemtest.Quiet, func() float64 { return 0 }
	o.Workers, o.Lease = cmp.Or(o.Workers, q.Workers), time.Duration(q.Lease)
	o.FirstRetry, o.MaxRetry = time.Duration(q.FirstRetry), time.Duration(q.MaxRetry)
	if o.Stamps == nil {
		o.Stamps = []delivery.Stamp{systemtest.Stamp{}}
	}
	d, err := delivery.New(db, s.Gate, s.Ledger, s.Nodes, hop, o)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// running starts a delivery, which the returned function ends.
func (h *fixture) running(d interface {
	Run(ctx, stop context.Context) error
}) (end func()) {
	ctx, cancel := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, h.ctx) }()
	return func() {
		h.Helper()
		cancel()
		if err := <-ended; err != nil {
			h.Error(err)
		}
	}
}
