package bolt

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// readersGoOn is how long a store is still read after its failure.
const readersGoOn = 5 * time.Second

// Failed is closed when a write or a flush has failed. The system may then count as written
// what never was, so that the store takes no change any more: the process has to end, and
// the next start reads what the disk has.
func (db *DB) Failed() <-chan struct{} { return db.failed }

// fail notes the first failure and returns it.
func (db *DB) fail(err error) error {
	db.failing.Do(func() {
		db.why, db.failedAt = fmt.Errorf("store: it has failed: %w", err), db.o.Now()
		close(db.failed)
	})
	return db.failure()
}

// failure returns why the store has failed, nil if it has not.
func (db *DB) failure() error {
	select {
	case <-db.failed:
		return db.why
	default:
		return nil
	}
}

// readable returns nil while the store may be read.
func (db *DB) readable() error {
	if err := db.failure(); err != nil && db.o.Now().Sub(db.failedAt) >= readersGoOn {
		return err
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
