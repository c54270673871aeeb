// Package bolt keeps a [store.Store] in one bbolt file with a journal before it, and large
// bodies in files beside them.
//
//	DIR/records.db     records, and bodies under 64 KiB
//	DIR/journal/       changes that are not in records.db yet
//	DIR/bodies/        larger bodies, one synced file each
//	DIR/store.id       marker: a database belongs here, and which
//
// # A lost queue is never an empty queue
//
// The marker is written after the database was synced. Where it stands and the
// database is missing, empty, cut short, damaged in a meta page, or another
// one, Open fails with [store.ErrMissing]. bbolt alone would make a new one,
// go back one commit, or die of a page beyond the end of the file. The database says up to
// which place in the journal it holds everything; a journal that does not go that far, or has
// a hole, is as bad as a damaged database.
//
// # One flush a commit
//
// One goroutine runs whatever queued up during the commit before, writes what it changed to the
// journal as one batch, and flushes once: concurrent updates share the flush, and a lone one
// waits for nobody. Only then is the change shown. What the journal alone has is kept in memory
// above the file, in layers: one that grows, and one that a checkpoint is moving into the file
// in a transaction of bbolt. A reader has one transaction of the file and the layers of the
// same moment.
//
// # An error is not a no
//
// After a write or a flush has failed nobody knows what the disk has. Whoever waits is told
// [store.ErrUnknown], nothing is written any more, and the process has to end ([DB.Failed]). A
// full disk is no failure: nothing was stored, and the next try may go well.
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
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/journal"
)

// Options say where a database is. Dir is required.
type Options struct {
	Dir     string
	Create  bool             // a database that was never there is made; only init and dev mode set it
	Now     func() time.Time // the store's clock; nil means time.Now
	Reserve int64            // octets of free disk below which Healthy fails; 0 means 64 MiB

	// Segment is the size of a segment of the journal, in octets; 0 means 16 MiB. It is that of
	// the journal that is there, once there is one.
	Segment int64
	// Backlog is how many octets of changes may wait for checkpoints before new mail has to
	// wait; 0 means 32 MiB.
	Backlog int64

	commit  func(*bbolt.Tx) error // tests: what stands in for Tx.Commit in a checkpoint
	journal journal.Options       // tests: its hooks
}

const (
	fileName    = "records.db"
	earlierName = "multimail.db" // of the file before there was a journal
	journalName = "journal"
	markerName  = "store.id"
	bodiesName  = "bodies"
)

// Buckets of the file, and the keys of our own one.
var (
	recordBucket = []byte("records")
	bodyBucket   = []byte("bodies")
	ownBucket    = []byte("store")
	idKey        = []byte("id")      // what the marker names
	journalKey   = []byte("journal") // the place in the journal up to which all is in the file
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

	bolt    *bbolt.DB
	file    fs.FileInfo // what bolt has open
	earlier bool        // it is of before there was a journal

	mover sync.WaitGroup // checkpoints
	views sync.RWMutex   // held by readers; Close waits for them

	state      atomic.Pointer[state]
	publishing sync.Mutex

	// Of the committer.
	journal *journal.Journal
	whole   journal.Position // where the last whole commit ends
	moving  journal.Position // where the last checkpoint ends
	ageing  bool             // due will come
	buf     []byte

	due    chan struct{}                 // a checkpoint may be due
	frozen chan frozen                   // to the next checkpoint
	moved  chan error                    // what became of the last
	ahead  atomic.Pointer[chan struct{}] // closed when a checkpoint has ended

	flushes atomic.Uint64

	failing  sync.Once
	failed   chan struct{}
	why      error
	failedAt time.Time

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
	if o.Segment <= 0 {
		o.Segment = 16 << 20
	}
	if o.Backlog <= 0 {
		o.Backlog = 32 << 20
	}
	db := &DB{
		o:      o,
		path:   filepath.Join(o.Dir, fileName),
		bodies: filepath.Join(o.Dir, bodiesName),
		calls:  make(chan *call, maxBatch),
		closed: make(chan struct{}),
		frozen: make(chan frozen, 1),
		moved:  make(chan error, 1),
		due:    make(chan struct{}, 1),
		failed: make(chan struct{}),
	}
	db.state.Store(&state{top: new(layer)})
	ahead := make(chan struct{})
	db.ahead.Store(&ahead)
	if err := db.open(); err != nil {
		return nil, err
	}
	err := protect(db.recover)
	if err == nil {
		err = protect(db.sweep)
	}
	if errors.Is(err, errPanic) {
		err = damaged("%v", err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", o.Dir, err), db.shut())
	}
	db.done.Go(db.committer)
	db.mover.Go(db.checkpoints)
	return db, nil
}

// View implements store.Store.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	return db.view(ctx, func(t *txn) error { return fn(store.NewTx(t)) })
}

// maxView is how long a snapshot may be read: it keeps memory and pages of the file from
// being used again.
const maxView = 10 * time.Second

var errSlow = errors.New("store: a snapshot was read for too long")

func (db *DB) view(ctx context.Context, fn func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.views.RLock()
	defer db.views.RUnlock()
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	if err := db.readable(); err != nil {
		return err
	}
	p, err := db.pin()
	if err != nil {
		return err
	}
	defer p.release()
	ctx, cancel := context.WithTimeoutCause(ctx, maxView, errSlow)
	defer cancel()
	return protect(func() error {
		t := db.begin(ctx, p.tx, p.state.layers())
		defer t.end()
		return fn(t)
	})
}

// pinned is a snapshot: a transaction of the file, and the layers of the same moment.
type pinned struct {
	tx    *bbolt.Tx
	state *state
}

func (p *pinned) release() { rollback(p.tx) }

// pin takes a snapshot. A checkpoint may come to its end between the two parts: its layer is
// then both above the file and in it, which is the same. But no other may have begun.
func (db *DB) pin() (*pinned, error) {
	for {
		s := db.state.Load()
		tx, err := db.bolt.Begin(false)
		if err != nil {
			return nil, err
		}
		if db.state.Load().turn == s.turn {
			return &pinned{tx, s}, nil
		}
		rollback(tx)
	}
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

// Close implements store.Store. What the journal alone has is moved into the file.
func (db *DB) Close() error {
	var err error
	db.once.Do(func() {
		close(db.closed)
		db.done.Wait()
		close(db.frozen)
		db.mover.Wait()
		db.views.Lock()
		defer db.views.Unlock()
		if db.failure() == nil {
			err = protect(db.settle)
		}
		err = errors.Join(err, db.shut())
	})
	return err
}

// settle moves everything into the file. A disk without space leaves it in the journal.
func (db *DB) settle() error {
	s := db.state.Load()
	all := new(layer)
	for _, l := range []*layer{s.frozen, s.top} {
		if l != nil {
			l.Scan(func(key string, value []byte) bool { all.Set(key, value); return true })
		}
	}
	if all.Len() == 0 {
		return nil
	}
	if err := db.checkpoint(frozen{all, db.whole}); err != nil && !noSpace(err) {
		return err
	}
	return nil
}

func (db *DB) shut() error {
	var err error
	if db.journal != nil {
		err = db.journal.Close()
	}
	return errors.Join(err, protect(db.bolt.Close))
}
