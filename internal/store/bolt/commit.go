package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/multimail/multimail/internal/store"
)

// maxBatch bounds how many updates share a commit.
const maxBatch = 256

// call is one update on its way through the committer.
type call struct {
	ctx   context.Context
	fn    func(store.Tx) error
	force bool // commit although nothing was written: a probe of the disk
	err   error
	done  chan struct{}
}

// batch is the calls that share a commit.
type batch struct {
	calls []*call
	wrote bool
	files map[string]bool // body files these calls touch, and whether a record names them afterwards
	after []func()        // asked for by AfterCommit
	err   error           // for every call that has no error of its own
}

// Update implements store.Store.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	return db.submit(&call{ctx: ctx, fn: fn, done: make(chan struct{})})
}

// submit waits for the outcome even when the context ends: from the moment the
// closure ran, only the commit knows it.
func (db *DB) submit(c *call) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	select {
	case db.calls <- c:
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-db.closed:
		return store.ErrClosed
	}
	select {
	case <-c.done:
		return c.err
	case <-db.closed:
	}
	// The committer finishes what it has taken and leaves the rest.
	db.done.Wait()
	select {
	case <-c.done:
		return c.err
	default:
		return store.ErrClosed
	}
}

// committer is the only writer.
func (db *DB) committer() {
	ended := false
	defer func() {
		// A closure ended the goroutine, as t.FailNow does. The others go on.
		if !ended {
			db.done.Go(db.committer)
		}
	}()
	for {
		var first *call
		select {
		case first = <-db.calls:
		case <-db.closed:
			ended = true
			return
		}
		db.serve(db.drain(first))
	}
}

// drain takes whatever waits, and waits for nothing. Those whom the commit
// before has just answered may run first: they often have the next update ready.
func (db *DB) drain(first *call) []*call {
	runtime.Gosched()
	calls := []*call{first}
	for len(calls) < maxBatch {
		select {
		case c := <-db.calls:
			calls = append(calls, c)
		default:
			return calls
		}
	}
	return calls
}

// serve commits a batch and answers every call.
func (db *DB) serve(calls []*call) {
	b := &batch{calls: calls, files: map[string]bool{}}
	b.err = fmt.Errorf("%w: a closure ended its goroutine", store.ErrAborted)
	defer func() {
		for _, c := range calls {
			if c.err == nil {
				c.err = b.err
			}
			close(c.done)
		}
	}()
	b.err = db.commitBatch(b)
	if b.err == nil {
		db.removeFiles(b.files)
		for _, s := range db.orphans.take() {
			db.Discard(s)
		}
	}
	if b.err == nil || errors.Is(b.err, store.ErrUnknown) {
		for _, fn := range b.after {
			_ = protect(func() error { fn(); return nil })
		}
	}
}

// commitBatch runs a batch in one transaction. What it returns concerns the
// calls that succeeded; those that failed left nothing behind.
func (db *DB) commitBatch(b *batch) error {
	file, err := db.handle()
	if err != nil {
		return err
	}
	tx, err := file.Begin(true)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrAborted, err)
	}
	defer rollback(tx)
	var n uint64
	err = protect(func() error {
		if err := db.run(tx, b); err != nil || !b.wrote {
			return err
		}
		n = commitNumber(tx) + 1
		return setCommitNumber(tx, n)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrAborted, err)
	}
	if !b.wrote {
		return nil
	}
	if err := protect(func() error { return db.o.commit(tx) }); err != nil {
		rollback(tx)
		return db.resolve(n, err)
	}
	db.committed()
	return nil
}

// run runs every closure. It fails only when one could not be undone.
func (db *DB) run(tx *bbolt.Tx, b *batch) error {
	for _, c := range b.calls {
		if c.err = c.ctx.Err(); c.err != nil {
			continue
		}
		t := db.begin(tx)
		t.writable = true
		c.err = protect(func() error {
			defer t.end()
			return c.fn(store.NewTx(t))
		})
		if c.err != nil {
			if err := t.undo(); err != nil {
				return fmt.Errorf("undo: %w", err)
			}
			continue
		}
		b.wrote = b.wrote || c.force || len(t.before) > 0
		for name, named := range t.files {
			b.files[name] = named
		}
		b.after = append(b.after, t.after...)
	}
	return nil
}

// rollback ends a transaction that may have ended, in whatever state bbolt
// left it.
func rollback(tx *bbolt.Tx) {
	_ = protect(func() error {
		if err := tx.Rollback(); !errors.Is(err, bolterrors.ErrTxClosed) {
			return err
		}
		return nil
	})
}

func commitNumber(tx *bbolt.Tx) uint64 {
	if v := tx.Bucket(ownBucket).Get(commitKey); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func setCommitNumber(tx *bbolt.Tx, n uint64) error {
	return tx.Bucket(ownBucket).Put(commitKey, binary.BigEndian.AppendUint64(nil, n))
}
