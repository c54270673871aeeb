// Package hook tells subscribers over HTTP what happens to mail: it follows the audit log,
// turns its entries into events, and delivers each to the subscriptions whose owner may
// see it.
//
//	h, err := hook.New(hook.Options{Store: db, Log: log, Mail: ledger.Load, Rights: rights, …})
//	go h.Run(ctx)
//
// What is read of the log and what is to be delivered are written in one transaction, and
// an attempt is committed before it is made: whatever crashes, an event is delivered at
// least once, each time under the same id.
//
// The files, in the order of the road: subscription.go says who listens; event.go turns
// entries into events; follow.go reads the log; delivery.go keeps what is to be delivered;
// run.go makes the attempts; body.go writes what is sent, sign.go signs it; send.go sends
// it, and reaches nothing that it must not. tell.go tells the operator what was switched off.
package hook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Options are what a Hooks is made from.
type Options struct {
	Store store.Store
	Audit *audit.Log
	// Mail reads the record of a mail.
	Mail func(tx store.Tx, id mail.ID) (*mail.Mail, error)
	// Rights says what an owner may see now; an error that is [ErrGone] ends its subscriptions.
	Rights func(tx store.Tx, o Owner) (Rights, error)

	// Resolver finds the addresses of a host.
	Resolver Resolver
	// Public reports whether an address is one of the Internet that anybody may reach.
	Public func(netip.Addr) bool
	// Allow are hosts and address ranges that may be reached though they are not public,
	// over http too.
	Allow Targets

	// Changed returns a channel that is closed when the log may have grown; nil: it is
	// looked at each second.
	Changed func() <-chan struct{}
	// Count is told the result of each attempt: delivered, failed, withdrawn or disabled.
	Count func(result string)
	// Tell tells the operator that a webhook is switched off; nil: nobody is told.
	Tell func(ctx context.Context, s Subscription) error
	// Over is told that a limit was reached.
	Over func(mail.Limit)
	// Jitter returns a number below n; nil: a random one.
	Jitter func(n int64) int64
	Log    *slog.Logger // nil means slog.Default
}

// Hooks keeps the subscriptions of an installation, and delivers to them. Its records are
// in the store, so that those of every node are the same.
type Hooks struct {
	o      Options
	client *client

	mu       sync.Mutex
	flying   map[string]bool // ids of deliveries that are attempted now; guarded by mu
	targets  map[string]int  // attempts under way by host; guarded by mu
	finished chan struct{}   // an attempt has ended
}

// ErrGone says that an owner has no rights any more: its credential has ended.
var ErrGone = errors.New("hook: the owner has no rights any more")

// New checks the options.
func New(o Options) (*Hooks, error) {
	if o.Store == nil || o.Audit == nil || o.Mail == nil || o.Rights == nil || o.Resolver == nil || o.Public == nil {
		return nil, errors.New("hook: store, log, mail, rights, resolver and what is public are required")
	}
	if o.Count == nil {
		o.Count = func(string) {}
	}
	if o.Over == nil {
		o.Over = func(mail.Limit) {}
	}
	if o.Jitter == nil {
		o.Jitter = rand.Int64N
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	h := &Hooks{o: o, flying: map[string]bool{}, targets: map[string]int{}, finished: make(chan struct{}, 1)}
	h.client = newClient(o.Resolver, o.Public, o.Allow)
	return h, nil
}

// Where the records stand.
const (
	subscriptionKey = "hook/subscription/" // + id
	cursorKey       = "hook/cursor/"       // + chain: number of the next entry
	deliveryKey     = "hook/delivery/"     // + id
	listKey         = "hook/list/"         // + subscription + "/" + id of a delivery
	dueKey          = "hook/due/"          // + subscription + "/" + time + "/" + id of a delivery
	doneKey         = "hook/done/"         // + subscription + "/" + id of a delivery that is over
)

var space = store.NewSpace("hook/")

// Actor is who asks, as the log names it.
type Actor interface {
	ID() string
	Signed(audit.Record) audit.Record
}

// system is the daemon itself.
type system struct{}

// ID implements Actor.
func (system) ID() string { return audit.System.ID }

// Signed implements Actor.
func (system) Signed(r audit.Record) audit.Record { r.Actor = audit.System; return r }

// note writes the entry of a change of a subscription.
func (h *Hooks) note(tx store.Tx, by Actor, k audit.Kind, s Subscription, facts map[string]string) error {
	_, err := h.entry(tx, by, k, s, facts)
	return err
}

func (h *Hooks) entry(
	tx store.Tx, by Actor, k audit.Kind, s Subscription, facts map[string]string,
) (audit.Ref, error) {
	r := audit.Record{Kind: k, Facts: map[string]string{"webhook": s.ID, "format": string(s.Format),
		"events": words(s.Events)},
		Private: map[string]string{"url": s.URL, "mailbox": s.Mailbox.String(), "owner": s.Owner.String()}}
	for name, v := range facts {
		r.Facts[name] = v
	}
	return h.o.Audit.Append(tx, by.Signed(r))
}

// update runs fn in a transaction, and ends with ctx.
func (h *Hooks) update(ctx context.Context, fn func(store.Tx) error) error {
	return h.o.Store.Update(ctx, fn)
}

// tick is how long the log and what is due are left alone at most.
const tick = time.Second
