// Package bolt keeps a [store.Store] in one bbolt file, with large bodies in
// files beside it.
//
//	DIR/multimail.db   records and bodies under 64 KiB
//	DIR/bodies/        larger bodies, one synced file each
//	DIR/store.id       marker: a database belongs here
//
// The marker is written after the database was synced. Where it stands and the
// database is missing, empty or cut short, Open fails: a lost queue is never an
// empty queue. Concurrent updates share one commit; a lone one does not wait.
package bolt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	lockWait   = time.Second
)

var (
	bucket  = []byte("kv")
	metaKey = []byte("meta")   // bucket of our own marks
	mark    = []byte("commit") // number of the last commit
)

// DB is an open database.
type DB struct {
	o    Options
	path string

	calls  chan *call
	closed chan struct{}
	once   sync.Once
	done   sync.WaitGroup // the committer

	mu     sync.RWMutex // guards bolt: replaced after a failed commit
	bolt   *bbolt.DB
	broken error // set when the outcome of a commit could not be learnt

	health health
}

var _ store.Store = (*DB)(nil)

// Open opens the database in o.Dir and takes its lock.
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
	db := &DB{o: o, path: filepath.Join(o.Dir, fileName), calls: make(chan *call, 256), closed: make(chan struct{})}
	if err := db.open(); err != nil {
		return nil, err
	}
	if err := db.sweep(); err != nil {
		return nil, errors.Join(err, db.bolt.Close())
	}
	db.done.Go(db.committer)
	return db, nil
}

// open finds out whether a database is expected, then opens or makes it.
func (db *DB) open() error {
	marker, err := os.ReadFile(filepath.Join(db.o.Dir, markerName))
	switch {
	case err == nil:
		var m markerFile
		if json.Unmarshal(marker, &m) != nil || m.ID == "" {
			return fmt.Errorf("store: %s is damaged: %w", markerName, store.ErrMissing)
		}
		if err := checkFile(db.path); err != nil {
			return fmt.Errorf("store: %w; restore %s from a backup: %w", err, fileName, store.ErrMissing)
		}
		return db.openFile()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("store: %w", err)
	case !db.o.Create:
		return fmt.Errorf("store: no store has been made in %s: %w: %w", db.o.Dir, store.ErrMissing, fs.ErrNotExist)
	}
	return db.create()
}

// create makes a database. One without a marker was interrupted while it was
// made, before anything could have been stored; anything else is not ours to
// overwrite.
func (db *DB) create() error {
	if err := os.MkdirAll(filepath.Join(db.o.Dir, bodiesName), 0o700); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if fi, err := os.Stat(db.path); err == nil && fi.Size() > 0 {
		if checkFile(db.path) != nil {
			if err := os.Remove(db.path); err != nil {
				return fmt.Errorf("store: %w", err)
			}
		} else if err := db.openFile(); err != nil {
			return err
		} else if n := db.records(); n > 0 {
			return errors.Join(fmt.Errorf("store: %s holds records but %s is missing: restore the marker from a backup: %w",
				fileName, markerName, store.ErrMissing), db.bolt.Close())
		}
	}
	if db.bolt == nil {
		if err := db.openFile(); err != nil {
			return err
		}
	}
	id := make([]byte, 16)
	rand.Read(id)
	b, err := json.Marshal(markerFile{ID: hex.EncodeToString(id), Created: db.o.Now().UTC()})
	if err == nil {
		err = errors.Join(db.bolt.Sync(), syncDir(db.o.Dir))
	}
	if err == nil {
		err = writeSynced(filepath.Join(db.o.Dir, markerName), b)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), db.bolt.Close())
	}
	return nil
}

type markerFile struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

// openFile opens the bbolt file; what is damaged in a way checkFile cannot see
// makes bbolt panic.
func (db *DB) openFile() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("store: %s is damaged (%v): %w", fileName, r, store.ErrMissing)
		}
	}()
	b, err := bbolt.Open(db.path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bbolt.ErrTimeout) {
		return errors.New("store: another daemon has this data directory open")
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		_, err2 := tx.CreateBucketIfNotExists(metaKey)
		return errors.Join(err, err2)
	})
	if err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), b.Close())
	}
	db.bolt = b
	return nil
}

func (db *DB) records() (n int) {
	_ = db.bolt.View(func(tx *bbolt.Tx) error {
		if k, _ := tx.Bucket(bucket).Cursor().First(); k != nil {
			n = 1
		}
		return nil
	})
	return n
}

// View implements store.Store.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.bolt == nil {
		return store.ErrUnknown
	}
	return db.bolt.View(func(tx *bbolt.Tx) error {
		return protect(func() error { return fn(&txn{b: tx.Bucket(bucket), now: db.o.Now()}) })
	})
}

// protect turns a panic of a closure into its error.
func protect(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("store: panic in a transaction: %v", r)
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
