package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// maxBatch bounds how many updates share a commit.
const maxBatch = 256

// call is one update on its way through the committer.
type call struct {
	ctx     context.Context
	fn      func(store.Tx) error
	err     error
	removed []string // body files to remove once the commit is in force
	done    chan struct{}
}

// Update implements store.Store. The commit it shares is made of whatever
// waited while the one before was written: no timer, so a lone call is not
// held back.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	c := &call{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case db.calls <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return store.ErrClosed
	}
	select {
	case <-c.done:
		return c.err
	case <-db.closed:
		// The committer finishes what it has taken before it ends.
		db.done.Wait()
		select {
		case <-c.done:
			return c.err
		default:
			return store.ErrClosed
		}
	}
}

// committer is the only writer.
func (db *DB) committer() {
	for {
		var first *call
		select {
		case first = <-db.calls:
		case <-db.closed:
			return
		}
		batch := []*call{first}
		for len(batch) < maxBatch {
			select {
			case c := <-db.calls:
				batch = append(batch, c)
				continue
			default:
			}
			break
		}
		db.commitBatch(batch)
	}
}

// commitBatch runs a batch in one transaction and answers every call.
func (db *DB) commitBatch(batch []*call) {
	var ran []*call
	err := db.attempt(batch, &ran)
	for _, c := range ran {
		c.err = err
		if err == nil {
			db.removeFiles(c.removed)
		}
	}
	if err != nil && len(ran) == 0 {
		for _, c := range batch {
			if c.err == nil {
				c.err = err
			}
		}
	}
	for _, c := range batch {
		close(c.done)
	}
}

// attempt commits the calls that succeed and lists them in ran. The others
// have their own error and left nothing behind.
func (db *DB) attempt(batch []*call, ran *[]*call) error {
	db.mu.RLock()
	b, broken := db.bolt, db.broken
	db.mu.RUnlock()
	if broken != nil {
		if b = db.recoverBroken(); b == nil {
			return store.ErrUnknown
		}
	}
	tx, err := b.Begin(true)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrAborted, err)
	}
	for _, c := range batch {
		t := &txn{b: tx.Bucket(bucket), now: db.o.Now(), writable: true}
		if c.err = c.ctx.Err(); c.err != nil {
			continue
		}
		if c.err = protect(func() error { return c.fn(t) }); c.err != nil {
			if err := t.undo(); err != nil {
				*ran = nil
				return errors.Join(store.ErrAborted, err, tx.Rollback())
			}
			continue
		}
		c.removed = t.removed
		*ran = append(*ran, c)
	}
	if len(*ran) == 0 {
		return tx.Rollback()
	}
	n := nextMark(tx)
	if err := tx.Bucket(metaKey).Put(mark, binary.BigEndian.AppendUint64(nil, n)); err != nil {
		return errors.Join(store.ErrAborted, err, tx.Rollback())
	}
	if err := db.o.commit(tx); err != nil {
		return db.resolve(n, err)
	}
	return nil
}

func nextMark(tx *bbolt.Tx) uint64 { return readMark(tx) + 1 }

func readMark(tx *bbolt.Tx) uint64 {
	if b := tx.Bucket(metaKey).Get(mark); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// resolve finds out whether the commit with mark n is in force: an error may
// come after the pages were written, so it proves nothing. The file is opened
// anew, and one more commit has to succeed before anyone is told "done".
func (db *DB) resolve(n uint64, cause error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.bolt.Close(); err != nil {
		cause = errors.Join(cause, err)
	}
	db.bolt = nil
	got, err := db.reopen()
	if err != nil {
		db.broken = fmt.Errorf("store: commit %d: %w", n, errors.Join(cause, err))
		return errors.Join(store.ErrUnknown, db.broken)
	}
	if got >= n {
		return nil
	}
	return errors.Join(store.ErrAborted, cause)
}

// reopen opens the file again and returns its mark, once a commit of its own
// has shown that the disk takes writes. Callers hold mu.
func (db *DB) reopen() (uint64, error) {
	if err := checkFile(db.path); err != nil {
		return 0, err
	}
	if err := db.openFile(); err != nil {
		return 0, err
	}
	var got uint64
	err := db.bolt.View(func(tx *bbolt.Tx) error { got = readMark(tx); return nil })
	if err == nil {
		err = db.proveWritable(got)
	}
	if err != nil {
		err = errors.Join(err, db.bolt.Close())
		db.bolt = nil
	}
	return got, err
}

func (db *DB) proveWritable(got uint64) error {
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return err
	}
	if err := tx.Bucket(metaKey).Put(mark, binary.BigEndian.AppendUint64(nil, got)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return db.o.commit(tx)
}

// recoverBroken tries to open the file again. What was unknown stays unknown
// to whoever asked then; whoever asks now gets a working store or none.
func (db *DB) recoverBroken() *bbolt.DB {
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, err := db.reopen(); err != nil {
		return nil
	}
	db.broken = nil
	return db.bolt
}
