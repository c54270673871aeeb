// Package delivery makes the attempts: it picks mail that is due, has the gate
// claim it, stamps and sends it, and tells the gate what became of it.
//
// It decides nothing: whether a mail may be claimed, may go on, or is settled is
// said by gate. What is written on the wire is the business of a [Hop], what
// stands in front of the message that of the [Stamp]s.
//
//	pick ─► gate.Candidate ─► stamps ─► gate.Claim ─► Hop.Deliver ─► gate.Settle
//	                                                    └─ gate.Proceed, twice
package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Stamp makes header fields that go in front of a mail at its release. Earlier
// stamps stand in m.Prefix and raw is the canonical bytes: on the wire the one
// comes before the other. The same mail and Release must give fields that say
// the same.
type Stamp interface {
	Stamp(ctx context.Context, m *mail.Mail, raw []byte) (header []byte, err error)
}

// Hop makes one delivery attempt.
type Hop interface {
	// Free reports whether every destination that the pending recipients need
	// has a slot. It takes none and may be asked at any time.
	Free(m *mail.Mail) bool
	// Reserve takes a slot for every destination the pending recipients
	// need, or reports that one has none free. release may be called more than once.
	Reserve(m *mail.Mail) (release func(), ok bool)
	// Freed returns a channel that has a value after a slot has become free
	// before the end of its attempt.
	Freed() <-chan struct{}
	// Deliver returns one Result for each pending recipient. It asks proceed
	// before DATA and again before the final dot; when proceed fails it
	// writes nothing more and drops the connection.
	Deliver(ctx context.Context, m *mail.Mail, raw []byte, proceed func(mail.Phase) error) []mail.Result
}

// Options are the tunables of delivery.
type Options struct {
	Node       string           // name of this node
	Workers    int              // attempts at the same time
	Lease      time.Duration    // longest attempt
	FirstRetry time.Duration    // after the first attempt
	MaxRetry   time.Duration    // between two attempts
	Stamps     []Stamp          // in the order they are made; the last one stands on top
	Jitter     func() float64   // in [0,1); nil means math/rand
	Trusted    func() bool      // scheduled mail may go by this clock; nil means always
	Log        *slog.Logger     // nil means slog.Default
	Metrics    *metrics.Metrics // nil means none
}

// Delivery makes the attempts of one node.
type Delivery struct {
	db     store.Store
	gate   *gate.Gate
	ledger *queue.Ledger // read only
	hop    Hop
	nodes  *node.Nodes
	o      Options

	turn     turns // of the dispatcher alone, as is due
	due      groups
	attempts attempts
	ended    chan struct{} // has a value after an attempt has ended
	session  string        // of this process
	lease    lease         // of this node
}

// New returns a delivery that does nothing until Run.
func New(db store.Store, g *gate.Gate, l *queue.Ledger, nodes *node.Nodes, hop Hop, o Options) (*Delivery, error) {
	if db == nil || g == nil || l == nil || nodes == nil || hop == nil || o.Node == "" {
		return nil, errors.New("delivery: store, gate, ledger, nodes, hop and the name of the node are required")
	}
	if o.Workers <= 0 || o.Lease <= 0 || o.FirstRetry <= 0 || o.MaxRetry <= 0 {
		return nil, errors.New("delivery: Workers, Lease, FirstRetry and MaxRetry are required")
	}
	if o.Trusted == nil {
		o.Trusted = func() bool { return true }
	}
	if o.Jitter == nil {
		o.Jitter = mathrand.Float64
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New()
	}
	d := &Delivery{db: db, gate: g, ledger: l, hop: hop, nodes: nodes, o: o, ended: make(chan struct{}, 1)}
	d.lease.renew = make(chan struct{}, 1)
	d.session = rand.Text()
	d.lease.record = node.Record{Name: o.Node, Session: d.session}
	d.turn.group = map[string]queue.Group{}
	d.attempts.init()
	return d, nil
}
