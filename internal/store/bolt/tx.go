package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// txn is one closure's view of a bbolt transaction that it may share with
// others. What it changes is logged, so that it can be undone alone.
type txn struct {
	b        *bbolt.Bucket
	now      time.Time
	writable bool
	before   []pair   // in the order of the changes
	removed  []string // body files that go with the commit
}

type pair struct {
	key, value []byte // value nil: the key was not there
}

var _ store.Tx = (*txn)(nil)

func (t *txn) Get(key string) ([]byte, error) {
	v := t.b.Get([]byte(key))
	if v == nil {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(v), nil
}

func (t *txn) Put(key string, value []byte) error {
	if !t.writable {
		return store.ErrReadOnly
	}
	t.log(key)
	if value == nil {
		value = []byte{}
	}
	if err := t.b.Put([]byte(key), value); err != nil {
		return fmt.Errorf("store: put: %w", err)
	}
	return nil
}

func (t *txn) Delete(key string) error {
	if !t.writable {
		return store.ErrReadOnly
	}
	t.log(key)
	if err := t.b.Delete([]byte(key)); err != nil {
		return fmt.Errorf("store: delete: %w", err)
	}
	return nil
}

func (t *txn) log(key string) {
	t.before = append(t.before, pair{[]byte(key), bytes.Clone(t.b.Get([]byte(key)))})
}

// undo restores everything in reverse.
func (t *txn) undo() error {
	var errs error
	for i := len(t.before) - 1; i >= 0; i-- {
		p := t.before[i]
		if p.value == nil {
			errs = errors.Join(errs, t.b.Delete(p.key))
		} else {
			errs = errors.Join(errs, t.b.Put(p.key, p.value))
		}
	}
	t.before, t.removed = nil, nil
	return errs
}

func (t *txn) Scan(r store.Range, fn func(string, []byte) error) error {
	c := t.b.Cursor()
	inside := func(k []byte) bool {
		return k != nil && string(k) >= r.From && (r.To == "" || string(k) < r.To)
	}
	k, v := first(c, r)
	for inside(k) {
		// A deleted key can still show under a cursor of this transaction.
		if v != nil {
			if err := fn(string(k), bytes.Clone(v)); err != nil {
				if errors.Is(err, store.Stop) {
					return nil
				}
				return err
			}
		}
		if r.Reverse {
			k, v = c.Prev()
		} else {
			k, v = c.Next()
		}
	}
	return nil
}

func first(c *bbolt.Cursor, r store.Range) (k, v []byte) {
	if !r.Reverse {
		return c.Seek([]byte(r.From))
	}
	if r.To == "" {
		return c.Last()
	}
	if k, _ := c.Seek([]byte(r.To)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func (t *txn) Now() time.Time { return t.now }
