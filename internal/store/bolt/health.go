package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/internal/store"
)

// healthFor is how long one look at the disk counts.
const healthFor = time.Second

type health struct {
	mu   sync.Mutex
	at   time.Time
	last error
	free int64 // octets of the disk, less what was staged since
}

// Healthy implements store.Store. It fails while there is still room to record
// what is under way, because deleting and marking need space too. After a
// failed commit it makes one of its own: doors that wait for Healthy would
// otherwise never learn that the disk is back.
func (db *DB) Healthy() error {
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	now := db.o.Now()
	age := now.Sub(db.health.at)
	fresh := !db.health.at.IsZero() && age >= 0 && age < healthFor
	trouble := db.troubled()
	if !fresh {
		if trouble != nil {
			_ = db.submit(&call{
				ctx: context.Background(), fn: func(store.Tx) error { return nil }, force: true, done: make(chan struct{}),
			})
			trouble = db.troubled()
		}
		db.health.at, db.health.last = now, db.look()
	}
	if trouble != nil {
		return trouble
	}
	return db.health.last
}

// Fits implements store.Store. A question takes nothing: who only asks must not be able
// to take space from who stores.
func (db *DB) Fits(octets int64) error {
	if err := db.Healthy(); err != nil {
		return err
	}
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	return db.room(octets)
}

// take counts what is about to be written as used at once, so that many that come
// together do not each take the same space.
func (db *DB) take(octets int64) error {
	if err := db.Healthy(); err != nil {
		return err
	}
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	if err := db.room(octets); err != nil {
		return err
	}
	db.health.free -= octets
	return nil
}

// room reports whether so many octets more leave the reserve free; health is locked.
func (db *DB) room(octets int64) error {
	if left := db.health.free - octets; left < db.o.Reserve {
		return fmt.Errorf("%w: %d octets would be free after %d more, %d are kept in reserve",
			store.ErrFull, left, octets, db.o.Reserve)
	}
	return nil
}

// look looks at the file and its disk.
func (db *DB) look() error {
	db.mu.RLock()
	opened := db.file
	db.mu.RUnlock()
	fi, err := os.Stat(db.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if !os.SameFile(fi, opened) || fi.Size() < opened.Size() {
		return errors.New("store: " + fileName + " was replaced or cut short while it was open")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(db.o.Dir, &st); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	if db.health.free = free; free < db.o.Reserve {
		return fmt.Errorf("%w: %d octets are free, %d are kept in reserve", store.ErrFull, free, db.o.Reserve)
	}
	if st.Files > 0 && st.Ffree == 0 {
		return fmt.Errorf("%w: it has no inodes left", store.ErrFull)
	}
	return nil
}
