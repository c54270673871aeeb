package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// txn is one closure's transaction: a snapshot of the file, and above it what was changed
// since. What a closure changes goes into a layer of its own copy.
type txn struct {
	ctx             context.Context
	records, bodies *bbolt.Bucket
	layers          []*layer
	dir             string // of body files
	now             time.Time
	writable        bool
	scanning        int
	ended           bool
	changes         []change        // in their order
	files           map[string]bool // body files touched, and whether a record names them
	after           []func()        // called after the commit
}

// change is a new value of a key of a layer; nil: it was deleted.
type change struct {
	key   string
	value []byte
}

var _ store.Records = (*txn)(nil)

var (
	errEnded    = errors.New("store: the transaction is over")
	errScanning = errors.New("store: write during a scan")
)

func (db *DB) begin(ctx context.Context, tx *bbolt.Tx, layers []*layer) *txn {
	return &txn{ctx: ctx, records: tx.Bucket(recordBucket), bodies: tx.Bucket(bodyBucket), layers: layers,
		dir: db.bodies, now: db.o.Now()}
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
	if err := t.mayRead(); err != nil {
		return nil, err
	}
	v := t.get(kindRecord, key)
	if v == nil {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(v), nil
}

// get returns the value of a key, nil for none. It belongs to the store.
func (t *txn) get(kind, key string) []byte {
	if v, known := find(t.layers, kind+key); known {
		return v
	}
	if kind == kindBody {
		return t.bodies.Get([]byte(key))
	}
	return t.records.Get([]byte(key))
}

func (t *txn) Put(key string, value []byte) error { return t.put(kindRecord, key, bytes.Clone(value)) }

func (t *txn) Delete(key string) error { return t.delete(kindRecord, key) }

// put keeps value.
func (t *txn) put(kind, key string, value []byte) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > bbolt.MaxKeySize {
		return fmt.Errorf("store: put %.80q: a key has 1 to %d octets", key, bbolt.MaxKeySize)
	}
	if value == nil {
		value = []byte{} // to be told from "none"
	}
	t.change(kind+key, value)
	return nil
}

func (t *txn) delete(kind, key string) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if t.get(kind, key) != nil {
		t.change(kind+key, nil)
	}
	return nil
}

func (t *txn) change(key string, value []byte) {
	t.layers[0].Set(key, value)
	t.changes = append(t.changes, change{key, value})
}

// octets is about what the changes take in memory and in the journal.
func (t *txn) octets() (n int64) {
	for _, c := range t.changes {
		n += int64(len(c.key) + len(c.value) + changeHead)
	}
	return n
}

func (t *txn) mayRead() error {
	if t.ended {
		return errEnded
	}
	return context.Cause(t.ctx)
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

func (t *txn) Scan(r store.Range, fn func(string, []byte) error) error {
	if err := t.mayRead(); err != nil {
		return err
	}
	t.scanning++
	defer func() { t.scanning-- }()
	var sources []*walker
	for _, l := range t.layers {
		sources = append(sources, walkLayer(l, r.From, r.To, r.Reverse))
	}
	sources = append(sources, walkFile(t.records.Cursor(), r))
	err := merge(sources, r.Reverse, func(key string, value []byte) error {
		if err := t.mayRead(); err != nil {
			return err
		}
		return fn(key, bytes.Clone(value))
	})
	if errors.Is(err, store.Stop) {
		return nil
	}
	return err
}

// walkFile walks the records of the file.
func walkFile(c *bbolt.Cursor, r store.Range) *walker {
	started := false
	w := &walker{}
	w.next = func() (string, []byte, bool) {
		var k, v []byte
		switch {
		case started && r.Reverse:
			k, v = c.Prev()
		case started:
			k, v = c.Next()
		case !r.Reverse:
			k, v = c.Seek([]byte(r.From))
		case r.To == "":
			k, v = c.Last()
		default:
			if k, v = c.Seek([]byte(r.To)); k == nil {
				k, v = c.Last()
			} else {
				k, v = c.Prev()
			}
		}
		started = true
		if k == nil || string(k) < r.From || r.To != "" && string(k) >= r.To {
			return "", nil, false
		}
		if v == nil {
			v = []byte{}
		}
		return string(k), v, true
	}
	w.step()
	return w
}
