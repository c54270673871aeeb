// Package bolt keeps a [store.Store] in one bbolt file, with large bodies in
// files beside it.
//
//	DIR/multimail.db   records, and bodies under 64 KiB
//	DIR/bodies/        larger bodies, one synced file each
//	DIR/store.id       marker: a database belongs here, and which
//
// # A lost queue is never an empty queue
//
// The marker is written after the database was synced. Where it stands and the
// database is missing, empty, cut short, damaged in a meta page, or another
// one, Open fails with [store.ErrMissing]. bbolt alone would make a new one,
// go back one commit, or die of a page beyond the end of the file.
//
// # An error is not a no
//
// One goroutine commits whatever queued up during the commit before, so that
// concurrent updates share an fsync and a lone one waits for nobody. A commit
// that fails may be in force all the same: each carries a number, and after an
// error the file is opened anew and asked which number it holds. When even that
// fails the store is unhealthy; every later update, and Healthy at most once a
// second, tries to open it again, and it serves once a commit went through.
//
// A closure must not begin another transaction: it would wait for itself.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// Options say where a database is. Dir is required.
type Options struct {
	Dir     string
	Create  bool             // a database that was never there is made; only init and dev mode set it
	Now     func() time.Time // the store's clock; nil means time.Now
	Reserve int64            // octets of free disk below which Healthy fails; 0 means 64 MiB

	commit func(*bbolt.Tx) error // tests: what stands in for Tx.Commit
}

const (
	fileName   = "multimail.db"
	markerName = "store.id"
	bodiesName = "bodies"
)

// Buckets of the file, and the keys of our own one.
var (
	recordBucket = []byte("records")
	bodyBucket   = []byte("bodies")
	ownBucket    = []byte("store")
	idKey        = []byte("id")     // what the marker names
	commitKey    = []byte("commit") // number of the last commit
)

// DB is an open database.
type DB struct {
	o      Options
	path   string
	bodies string // the directory of bodies

	calls  chan *call
	closed chan struct{}
	once   sync.Once
	done   sync.WaitGroup // the committer

	mu      sync.RWMutex // guards what follows, which changes after a failed commit
	bolt    *bbolt.DB    // nil while it cannot be opened
	file    fs.FileInfo  // what bolt has open
	trouble error        // why the last commit failed; nil once one went through

	shards  shards
	orphans orphans
	health  health
}

var _ store.Store = (*DB)(nil)

// Open opens the database in o.Dir and takes its lock. It fails with
// store.ErrMissing where a database should be and no good one is.
func Open(o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Reserve <= 0 {
		o.Reserve = 64 << 20
	}
	if o.commit == nil {
		o.commit = (*bbolt.Tx).Commit
	}
	db := &DB{
		o:      o,
		path:   filepath.Join(o.Dir, fileName),
		bodies: filepath.Join(o.Dir, bodiesName),
		calls:  make(chan *call, maxBatch),
		closed: make(chan struct{}),
	}
	if err := db.open(); err != nil {
		return nil, err
	}
	// A process that was killed between writing a commit and syncing it left
	// one that can be read and could still be lost. Nobody acts on it before
	// it is durable.
	err := protect(db.prove)
	if err == nil {
		err = protect(db.sweep)
	}
	if errors.Is(err, errPanic) {
		err = damaged("%v", err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", o.Dir, err), db.bolt.Close())
	}
	db.done.Go(db.committer)
	return db, nil
}

// View implements store.Store.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	return db.view(ctx, func(t *txn) error { return fn(store.NewTx(t)) })
}

func (db *DB) view(ctx context.Context, fn func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	if db.bolt == nil {
		return fmt.Errorf("store: not readable: %w", db.trouble)
	}
	return db.bolt.View(func(tx *bbolt.Tx) error {
		return protect(func() error {
			t := db.begin(tx)
			defer t.end()
			return fn(t)
		})
	})
}

var errPanic = errors.New("store: panic in a transaction")

// protect turns a panic into an error: of a closure, of bbolt over a damaged
// page, of a page that the file no longer has.
func protect(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return fn()
}

// Close implements store.Store.
func (db *DB) Close() error {
	var err error
	db.once.Do(func() {
		close(db.closed)
		db.done.Wait()
		db.mu.Lock()
		defer db.mu.Unlock()
		if db.bolt != nil {
			err = db.bolt.Close()
		}
	})
	return err
}
