package gate_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/systemtest"
)

// fixture is the gate in a real system, with a delivery behind it.
type fixture struct {
	*systemtest.Example
	ctx context.Context
}

func build(t testing.TB) *fixture {
	h := &fixture{Example: systemtest.NewExample(t), ctx: t.Context()}
	h.Delivery = h.delivers()
	return h
}

// gates builds the gate with these options, and a delivery behind it.
func (h *fixture) gates(o gate.Options) {
	h.Helper()
	h.Gate = h.NewGate(h.DB, o)
	h.Delivery = h.delivers()
}

// delivers returns a delivery behind the gate.
func (h *fixture) delivers() *delivery.Delivery {
	h.Helper()
	q := config.Default().Queue
	d, err := delivery.New(h.DB, h.Gate, h.Ledger, h.Nodes, h.Hop, delivery.Options{
		Node: systemtest.Node, Log: systemtest.Quiet, Jitter: func() float64 { return 0 },
		Workers: q.Workers, Lease: time.Duration(q.Lease),
		FirstRetry: time.Duration(q.FirstRetry), MaxRetry: time.Duration(q.MaxRetry),
		Stamps: []delivery.Stamp{systemtest.Stamp{}}, Trusted: h.Trusted,
	})
	if err != nil {
		h.Fatal(err)
	}
	return d
}

// sentTo lists whom the next hop has got mail for, each as often as it has, sorted.
func (h *fixture) sentTo() string {
	var to []string
	for _, w := range h.Hop.Sent() {
		to = append(to, w.To...)
	}
	slices.Sort(to)
	return strings.Join(to, " ")
}
