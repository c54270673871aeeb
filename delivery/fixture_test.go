package delivery_test

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
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

// broken is a store that fails while it is told so.
type broken struct {
	store.Store
	fail      atomic.Bool // every update
	blind     atomic.Bool // every view
	unhealthy atomic.Bool
	viewed    func() // called after what a view has read, before it returns; nil: nothing
}

func (b *broken) Update(ctx context.Context, fn func(store.Tx) error) error {
	return b.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil || !b.fail.Load() {
			return err
		}
		return store.ErrAborted
	})
}

func (b *broken) View(ctx context.Context, fn func(store.Tx) error) error {
	if b.blind.Load() {
		return errDisk
	}
	err := b.Store.View(ctx, fn)
	if b.viewed != nil {
		b.viewed()
	}
	return err
}

func (b *broken) Healthy() error {
	if b.unhealthy.Load() {
		return errDisk
	}
	return b.Store.Healthy()
}

var errDisk = errors.New("the disk fails")

// breakable gives the delivery a store that a test can break. The gate has the
// store itself.
func (h *fixture) breakable() *broken {
	b := &broken{Store: h.DB}
	h.Delivery = h.delivers(b, h.Hop, delivery.Options{})
	return b
}

// pass lets time go by, on the clock of the store and for every timer.
func (h *fixture) pass(d time.Duration) {
	for range d / time.Second {
		h.Clock.Forward(time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

// pauseBeforeDot has the next attempt wait before it asks for its final dot:
// reached is closed when it does, and it goes on when release is.
func (h *fixture) pauseBeforeDot() (reached, release chan struct{}) {
	reached, release = make(chan struct{}), make(chan struct{})
	h.Hop.Pause = func(ph mail.Phase) {
		if ph == mail.BeforeDot {
			close(reached)
			<-release
		}
	}
	return reached, release
}
