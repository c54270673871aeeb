package bolt

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// healthFor is how long one look at the disk counts.
const healthFor = time.Second

type health struct {
	mu   sync.Mutex
	at   time.Time
	last error
}

// Healthy implements store.Store. Mail is refused while there is still room to
// record what is under way: deleting and marking need space too.
func (db *DB) Healthy() error {
	db.mu.RLock()
	broken := db.broken
	db.mu.RUnlock()
	if broken != nil {
		return broken
	}
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	now := db.o.Now()
	if d := now.Sub(db.health.at); !db.health.at.IsZero() && d >= 0 && d < healthFor {
		return db.health.last
	}
	db.health.at, db.health.last = now, nil
	var st unix.Statfs_t
	if err := unix.Statfs(db.o.Dir, &st); err != nil {
		db.health.last = fmt.Errorf("store: %w", err)
	} else if free := int64(st.Bavail) * int64(st.Bsize); free < db.o.Reserve {
		db.health.last = fmt.Errorf("store: %d octets of disk are free, %d are reserved", free, db.o.Reserve)
	} else if st.Files > 0 && st.Ffree < 16 {
		db.health.last = fmt.Errorf("store: %d inodes are free", st.Ffree)
	}
	return db.health.last
}
