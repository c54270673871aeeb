// Package store is the ground every room keeps its records on: ordered keys,
// serializable transactions, and message bodies beside them.
//
// Closures given to View and Update must be pure but for the transaction: they
// may run more than once. Values returned by a transaction belong to the
// caller. Keys are read in the order of their octets.
//
//	err := db.Update(ctx, func(tx store.Tx) error {
//		return tx.Put("mail/"+id, record)
//	})
package store

import (
	"context"
	"errors"
	"time"
)

// Store is implemented by store/bolt; store/storetest holds the contract.
type Store interface {
	// View runs fn on a consistent snapshot that it cannot change.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn in a serializable transaction and returns once the
	// change is durable. When fn fails nothing of it remains and its error
	// is returned as it is. Concurrent calls share one commit; a lone call
	// does not wait. After a failed commit the store finds out whether the
	// change is in force before it answers: nil if it is, ErrAborted if it
	// is not, ErrUnknown if that could not be learnt. A caller that is told
	// ErrUnknown must not tell anyone "done" or "failed".
	Update(ctx context.Context, fn func(Tx) error) error

	// Stage makes a body ready to be put by a transaction. Whoever stages
	// calls Discard afterwards, whatever became of the transaction.
	Stage(ctx context.Context, key string, body []byte) (Staged, error)

	// Discard removes a staged body unless a transaction has put it. After
	// ErrUnknown it is decided once the store knows what is in force. What a
	// dead process left is swept away at the next start.
	Discard(Staged)

	// Fits returns nil when a body of so many octets leaves the reserve of the
	// disk free, and why not otherwise.
	Fits(octets int64) error

	// Body returns a body that a transaction put. ErrNotFound if there is none.
	Body(ctx context.Context, key string) ([]byte, error)

	// Healthy returns nil while the store can take new records, and why not
	// otherwise: a full disk, an unwritable file, an unknown commit. Doors
	// ask before they accept; workers before they start an attempt.
	Healthy() error

	// Close waits for running transactions. It is safe to call twice.
	Close() error
}

// Tx is one transaction, valid only inside its closure and for one goroutine.
type Tx interface {
	// Get returns the value of key, or ErrNotFound.
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	// Delete removes key; a key that is not there is no error.
	Delete(key string) error
	// Scan calls fn for every key in r in order. It ends early, without an
	// error, when fn returns Stop. fn must not write.
	Scan(r Range, fn func(key string, value []byte) error) error
	// PutBody puts a staged body in force together with the transaction.
	PutBody(Staged) error
	DeleteBody(key string) error
	// AfterCommit has fn called once the change is durable, before Update
	// returns; never when nothing was stored. fn must not call the store. With
	// ErrUnknown fn is called too: who looks then sees what became of it.
	AfterCommit(fn func())
	// Now is the store's clock, the same throughout the transaction. Leases
	// and deadlines are judged by it, never by a node's own clock.
	Now() time.Time
}

// Range is a half-open interval of keys: From <= key < To. An empty To means
// no upper end. Reverse walks from the end.
type Range struct {
	From, To string
	Reverse  bool
}

// Prefix returns the range of all keys that begin with p.
func Prefix(p string) Range {
	end := []byte(p)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return Range{From: p, To: string(end[:i+1])}
		}
	}
	return Range{From: p}
}

// Staged is a body on its way into the store.
type Staged struct {
	Key    string
	Inline []byte // held for the transaction; nil when File is set
	File   string // name of a durable file that the transaction will name
	Size   int64
}

// Inline stages a small body without touching the disk, for use inside a closure.
func Inline(key string, body []byte) Staged {
	return Staged{Key: key, Inline: body, Size: int64(len(body))}
}

// Errors of every backend.
var (
	ErrNotFound = errors.New("store: not found")
	ErrReadOnly = errors.New("store: write in a read-only transaction")
	ErrAborted  = errors.New("store: the commit failed and nothing was stored")
	ErrUnknown  = errors.New("store: the outcome of the commit is unknown")
	ErrClosed   = errors.New("store: closed")
	ErrMissing  = errors.New("store: the database that belongs here is missing or damaged")

	// Stop ends a Scan early.
	Stop = errors.New("store: stop")
)
