// Package store keeps the records of every package: ordered keys, serializable
// transactions, and message bodies beside them.
//
// Closures given to View and Update must be pure but for the transaction: they
// may run more than once. Values returned by a transaction belong to the
// caller. Keys are read in the order of their octets.
//
//	var records = store.NewSpace("mail/") // nobody else reads or writes below mail/
//
//	err := db.Update(ctx, func(tx store.Tx) error {
//		return records.Put(tx, "mail/"+id, record)
//	})
package store

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/multimail/multimail/internal/store/internal/raw"
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
	// disk free, and why not otherwise. It takes nothing: Stage asks again. Where the
	// disk does not keep up with what was stored it waits, for 2 s at most, and then
	// returns ErrBehind: new mail waits, and what is under way is still recorded.
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
// Records are read and written through the [Space] that owns their keys.
type Tx struct{ records Records }

// NewTx returns the transaction of a backend.
func NewTx(r Records) Tx { return Tx{r} }

// RecordsOf returns what a transaction is made of, for backends and their tests.
func RecordsOf(tx Tx, _ raw.Key) Records { return tx.records }

// Now is the store's clock, the same throughout the transaction. Leases and
// deadlines are judged by it, never by a node's own clock.
func (tx Tx) Now() time.Time { return tx.records.Now() }

// AfterCommit has fn called once the change is durable, before Update returns;
// never when nothing was stored. fn must not call the store. With ErrUnknown fn
// is called too: the caller then reads what became of it.
func (tx Tx) AfterCommit(fn func()) { tx.records.AfterCommit(fn) }

// Records is a transaction as a backend implements it; see [Tx] and [Space].
type Records interface {
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	Delete(key string) error
	Scan(r Range, fn func(key string, value []byte) error) error
	PutBody(Staged) error
	DeleteBody(key string) error
	AfterCommit(fn func())
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
	Key  string
	Size int64 // octets

	inline []byte // the body itself; nil when the backend keeps it
	handle string // by which the backend finds what it keeps
}

// Inline stages a small body without touching the disk, for use inside a closure.
func Inline(key string, body []byte) Staged {
	return Staged{Key: key, inline: body, Size: int64(len(body))}
}

// NewStaged stages a body that a backend keeps under its own handle.
func NewStaged(key string, size int64, handle string) Staged {
	return Staged{Key: key, Size: size, handle: handle}
}

// Kept returns the handle of a body that the backend keeps, or the body itself
// and an empty handle.
func (s Staged) Kept() (body []byte, handle string) { return s.inline, s.handle }

// Errors of every backend.
var (
	ErrNotFound = errors.New("store: not found")
	ErrReadOnly = errors.New("store: write in a read-only transaction")
	ErrAborted  = errors.New("store: the commit failed and nothing was stored")
	ErrUnknown  = errors.New("store: the outcome of the commit is unknown")
	ErrClosed   = errors.New("store: closed")
	ErrFull     = errors.New("store: the disk is full")
	ErrBehind   = errors.New("store: the disk does not keep up; try again later")
	ErrMissing  = errors.New("store: the database that belongs here is missing or damaged")

	// Stop ends a Scan early.
	Stop = errors.New("store: stop")
)

// Full reports whether an error says that the disk, a quota or a limit of file sizes takes no
// more, and that nothing was stored for that reason.
func Full(err error) bool {
	if errors.Is(err, ErrUnknown) {
		return false
	}
	for _, why := range []error{ErrFull, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, why) {
			return true
		}
	}
	return false
}
