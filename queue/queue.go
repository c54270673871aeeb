// Package queue keeps mail: it stores it, moves its state, schedules attempts,
// leases them to a worker, retries, and tells the author what became of it.
//
// It decides nothing. What may leave is said by gate/step; the facts of that
// decision are read through [Policy] inside the very transaction that stores
// the outcome. What is written on the wire is the business of a [Deliverer],
// what stands in front of the message that of the [Stamp]s.
//
// One mail's life here:
//
//	Put ─► due index ─► claim (lease, attempt, stamps: one commit) ─► Deliver
//	        ▲                                                           │
//	        └──────────── settle: retry ◄───── results ─────────────────┤
//	                                       sent / failed + notice ◄─────┘
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Policy is what the queue asks the gate, always inside a transaction.
type Policy interface {
	// Facts returns everything a step of m may depend on that is not m's own
	// standing: mode, freezes, allowlist.
	Facts(tx store.Tx, m *mail.Mail) (step.Facts, error)
	// Terms returns under whose name and on what grounds m would leave now.
	Terms(tx store.Tx, m *mail.Mail, basis mail.Basis) (Terms, error)
	// Frozen reports whether nothing of this agent in this mailbox may move.
	Frozen(tx store.Tx, agent string, mailbox mail.Address) (bool, error)
	// Epoch grows with every change of policy.
	Epoch(tx store.Tx) (uint64, error)
}

// Terms is the record stamps are made from, and the address that gets a copy.
type Terms struct {
	Release mail.Release
	Copy    mail.Address // zero: no copy
}

// Stamp makes header fields that go in front of a mail at its release. Earlier
// stamps stand in m.Prefix and raw is the canonical bytes: on the wire the one
// comes before the other. The same mail and Release must give fields that say
// the same.
type Stamp interface {
	Stamp(ctx context.Context, m *mail.Mail, raw []byte) (header []byte, err error)
}

// Deliverer makes one delivery attempt.
type Deliverer interface {
	// Reserve takes a slot for every destination the pending recipients
	// need, or reports that one has none free. release is called once.
	Reserve(m *mail.Mail) (release func(), ok bool)
	// Deliver returns one Result for each pending recipient. It asks proceed
	// before DATA and again before the final dot; when proceed fails it
	// writes nothing more and drops the connection.
	Deliver(ctx context.Context, m *mail.Mail, raw []byte, proceed func(mail.Phase) error) []mail.Result
}

// Bouncer puts a delivery notice into its author's own inbox.
type Bouncer interface {
	// An error that is mail.ErrNotice says that this notice can never be
	// posted, and that nothing of it was written; any other may pass.
	Bounce(tx store.Tx, dsn *mail.Mail, raw []byte) error
}

// Options are the tunables of a queue. The zero value is safe.
type Options struct {
	Node       string           // name of this node; "node" if empty
	Workers    int              // attempts at the same time; 0 means 16
	Lease      time.Duration    // longest attempt; 0 means 15 minutes
	Lifetime   time.Duration    // of retries, from the release; 0 means 5 days
	FirstRetry time.Duration    // after the first attempt; 0 means 1 minute
	MaxRetry   time.Duration    // between two attempts; 0 means 4 hours
	Stamps     []Stamp          // in the order they are made; the last one stands on top
	Jitter     func() float64   // in [0,1); nil means math/rand
	Trusted    func() bool      // the clock may end a retry lifetime; nil means always
	Log        *slog.Logger     // nil means slog.Default
	Metrics    *metrics.Metrics // nil means none
}

// Queue is the queue of one node. Its methods may be called at any time.
type Queue struct {
	db      store.Store
	log     *audit.Log
	deliver Deliverer
	bounce  Bouncer
	policy  Policy
	o       Options

	turn     turns // of the dispatcher alone, as is due
	due      groups
	notes    notes
	flights  flights
	changed  signal   // a mail has moved
	work     signal   // a mail may have become due
	watchers watchers // of one mail or inbox each
}

// New returns a queue that does nothing until Run.
func New(db store.Store, log *audit.Log, d Deliverer, b Bouncer, o Options) (*Queue, error) {
	if db == nil || log == nil || d == nil || b == nil {
		return nil, errors.New("queue: store, audit log, deliverer and bouncer are required")
	}
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Lease, 15*time.Minute)
	def(&o.Lifetime, 5*24*time.Hour)
	if o.Trusted == nil {
		o.Trusted = func() bool { return true }
	}
	def(&o.FirstRetry, time.Minute)
	def(&o.MaxRetry, 4*time.Hour)
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.Node == "" {
		o.Node = "node"
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New()
	}
	q := &Queue{db: db, log: log, deliver: d, bounce: b, o: o}
	q.turn.group = map[string]string{}
	q.flights.init()
	q.changed.init()
	q.work.init()
	if err := q.beginTallies(context.Background()); err != nil {
		return nil, fmt.Errorf("queue: count the mail that waits: %w", err)
	}
	return q, nil
}

// Use sets the policy. The gate calls it once, from its own constructor, since
// gate and queue need one another: gate writes here, the claim asks there.
func (q *Queue) Use(p Policy) { q.policy = p }
