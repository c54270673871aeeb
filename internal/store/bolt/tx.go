package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// txn is one closure's part of a bbolt transaction, which others may share.
// What it changes is logged, so that it can be undone alone.
type txn struct {
	records, bodies *bbolt.Bucket
	dir             string // of body files
	now             time.Time
	writable        bool
	scanning        int
	ended           bool
	before          []change        // in the order of the changes
	files           map[string]bool // body files touched, and whether a record names them
	after           []func()        // called after the commit
}

// change is what a key was before; value is nil when there was none.
type change struct {
	in         *bbolt.Bucket
	key, value []byte
}

var _ store.Records = (*txn)(nil)

var (
	errEnded    = errors.New("store: the transaction is over")
	errScanning = errors.New("store: write during a scan")
)

func (db *DB) begin(tx *bbolt.Tx) *txn {
	return &txn{records: tx.Bucket(recordBucket), bodies: tx.Bucket(bodyBucket), dir: db.bodies, now: db.o.Now()}
}

// end makes a transaction that escaped its closure harmless.
func (t *txn) end() { t.ended = true }

func (t *txn) Now() time.Time { return t.now }

// AfterCommit implements store.Records. A snapshot commits nothing.
func (t *txn) AfterCommit(fn func()) {
	if t.writable && !t.ended {
		t.after = append(t.after, fn)
	}
}

func (t *txn) Get(key string) ([]byte, error) {
	if t.ended {
		return nil, errEnded
	}
	v := t.records.Get([]byte(key))
	if v == nil {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(v), nil
}

func (t *txn) Put(key string, value []byte) error { return t.put(t.records, key, bytes.Clone(value)) }

func (t *txn) Delete(key string) error { return t.delete(t.records, key) }

// put keeps value, as bbolt does until the commit.
func (t *txn) put(in *bbolt.Bucket, key string, value []byte) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // to be told from "none"
	}
	k := []byte(key)
	before := bytes.Clone(in.Get(k))
	if err := in.Put(k, value); err != nil {
		return fmt.Errorf("store: put %.80q: %w", key, err)
	}
	t.before = append(t.before, change{in, k, before})
	return nil
}

func (t *txn) delete(in *bbolt.Bucket, key string) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	k := []byte(key)
	before := bytes.Clone(in.Get(k))
	if before == nil {
		return nil
	}
	if err := in.Delete(k); err != nil {
		return fmt.Errorf("store: delete %.80q: %w", key, err)
	}
	t.before = append(t.before, change{in, k, before})
	return nil
}

func (t *txn) mayWrite() error {
	switch {
	case t.ended:
		return errEnded
	case !t.writable:
		return store.ErrReadOnly
	case t.scanning > 0:
		return errScanning
	}
	return nil
}

// undo restores everything in reverse.
func (t *txn) undo() error {
	for i := len(t.before) - 1; i >= 0; i-- {
		c := t.before[i]
		var err error
		if c.value == nil {
			err = c.in.Delete(c.key)
		} else {
			err = c.in.Put(c.key, c.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) Scan(r store.Range, fn func(string, []byte) error) error {
	if t.ended {
		return errEnded
	}
	t.scanning++
	defer func() { t.scanning-- }()
	c := t.records.Cursor()
	// The smallest key in the range: where a walk backwards ends.
	least, v := c.Seek([]byte(r.From))
	if !within(least, r) {
		return nil
	}
	var err error
	if r.Reverse {
		err = backward(c, r, least, fn)
	} else {
		for k := least; within(k, r) && err == nil; k, v = c.Next() {
			err = fn(string(k), bytes.Clone(v))
		}
	}
	if errors.Is(err, store.Stop) {
		return nil
	}
	return err
}

func within(k []byte, r store.Range) bool {
	return k != nil && (r.To == "" || string(k) < r.To)
}

// emptyPages bounds how many pages without keys a walk backwards crosses.
const emptyPages = 1 << 24

// backward walks down to the key least. A transaction that deletes leaves empty
// pages until it commits; bbolt's Prev answers nil on each of them, as it does
// at the beginning, so only meeting least is the end.
func backward(c *bbolt.Cursor, r store.Range, least []byte, fn func(string, []byte) error) error {
	var k, v []byte
	if r.To == "" {
		k, v = c.Last()
	} else if k, _ = c.Seek([]byte(r.To)); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	for empty := 0; empty < emptyPages; k, v = c.Prev() {
		if k == nil {
			empty++
			continue
		}
		empty = 0
		if err := fn(string(k), bytes.Clone(v)); err != nil {
			return err
		}
		if bytes.Equal(k, least) {
			return nil
		}
	}
	return errors.New("store: the order of keys is damaged")
}
