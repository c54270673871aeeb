package bolt

import (
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
// what is under way, because deleting and marking need space too.
func (db *DB) Healthy() error {
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	if err := db.failure(); err != nil {
		return err
	}
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	now := db.o.Now()
	age := now.Sub(db.health.at)
	fresh := !db.health.at.IsZero() && age >= 0 && age < healthFor
	if !fresh {
		db.health.at, db.health.last = now, db.look()
	}
	return db.health.last
}

// Fits implements store.Store. A question takes nothing: who only asks must not be able
// to take space from who stores.
func (db *DB) Fits(octets int64) error {
	if err := db.Healthy(); err != nil {
		return err
	}
	if err := db.keepsUp(); err != nil {
		return err
	}
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	return db.room(octets)
}

// backlogWait is how long new mail waits for a checkpoint.
const backlogWait = 2 * time.Second

// keepsUp waits while too much is in the journal alone. What is under way is still recorded
// then; only who asks whether something new fits has to wait.
func (db *DB) keepsUp() error {
	late := time.NewTimer(backlogWait)
	defer late.Stop()
	for {
		ahead := *db.ahead.Load()
		if s := db.state.Load(); s.octets+s.moving < db.o.Backlog {
			return nil
		}
		select {
		case <-ahead:
		case <-late.C:
			return store.ErrBehind
		case <-db.failed:
			return db.failure()
		case <-db.closed:
			return store.ErrClosed
		}
	}
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
	fi, err := os.Stat(db.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if !os.SameFile(fi, db.file) || fi.Size() < db.file.Size() {
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
