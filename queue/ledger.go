// Package queue is the ledger of mail: the records, their keys and indexes, the
// one function that changes a state together with its audit entry, and what can
// be read and counted.
//
// It decides nothing and runs nothing. Every method of [Ledger] joins the
// transaction of its caller: gate, which decides. Doors read through [Reader],
// which cannot write.
//
//	err := db.Update(ctx, func(tx store.Tx) error {
//		m, err := ledger.Load(tx, id)
//		…
//		_, err = ledger.Move(tx, m, queue.Change{Event: step.Approve, Facts: facts, Actor: actor})
//		return err
//	})
package queue

import (
	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
)

// Ledger writes and reads the records of mail inside its caller's transactions.
type Ledger struct {
	log  *audit.Log
	node string // whose counters this process writes

	watchers watchers // of one mail or one inbox each
	fresh    fresh    // groups of due mail in which something was written
}

// New returns the ledger of a node, which appends its entries to log.
func New(log *audit.Log, node string) *Ledger {
	return &Ledger{log: log, node: node}
}

// Changed returns a channel that is closed when some mail is written next.
// Whoever waits for one mail or mailbox uses WatchMail or WatchInbox.
func (l *Ledger) Changed() <-chan struct{} {
	written, _ := l.watchers.watch(anyMail)
	return written
}

// anyMail is the key that every write fires.
const anyMail = ""

// wrote tells those who wait of a record, once the transaction is durable.
func (l *Ledger) wrote(tx store.Tx, keys ...string) {
	tx.AfterCommit(func() {
		for _, k := range append(keys, anyMail) {
			l.watchers.fire(k)
		}
	})
}
