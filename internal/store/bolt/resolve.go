package bolt

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// resolve finds out whether commit n, which failed with cause, is in force.
// bbolt writes the data, syncs, writes the meta page, syncs: an error of the
// last step leaves a commit that is visible and stays.
//
// Not in force: the meta page was never written, and nothing will make it so.
// In force: it is in the cache of the system, which counts it as written since
// the sync failed; only a commit after it, whose own meta page is synced, makes
// it durable. Until then nobody sees it, for it could still be lost.
func (db *DB) resolve(n uint64, cause error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.trouble = fmt.Errorf("store: commit %d: %w", n, cause)
	db.shut()
	if err := db.reopen(); err != nil {
		db.trouble = errors.Join(db.trouble, err)
		return fmt.Errorf("%w: %w", store.ErrUnknown, db.trouble)
	}
	if last, err := db.lastCommit(); err != nil || last != n && last != n-1 {
		return db.unknown(errors.Join(err, fmt.Errorf("store: the last commit is %d", last)))
	} else if last == n-1 {
		return fmt.Errorf("%w: %w", store.ErrAborted, db.trouble)
	}
	if err := protect(db.prove); err != nil {
		return db.unknown(err)
	}
	db.trouble = nil
	return nil
}

// unknown gives the file up until handle can prove that it takes commits.
func (db *DB) unknown(err error) error {
	db.trouble = errors.Join(db.trouble, err)
	db.shut()
	return fmt.Errorf("%w: %w", store.ErrUnknown, db.trouble)
}

// handle returns the open file. One that was given up is opened again, and
// counts once a commit went through. What was unknown stays so to whoever
// asked then; whoever asks now is told the truth, or that nothing was stored.
func (db *DB) handle() (*bbolt.DB, error) {
	// Only the committer, who calls this, changes bolt: no need to hold up, or
	// wait for, readers.
	db.mu.RLock()
	open := db.bolt
	db.mu.RUnlock()
	if open != nil {
		return open, nil
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.reopen()
	if err == nil {
		if err = protect(db.prove); err != nil {
			db.shut()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; before that, %w", store.ErrAborted, err, db.trouble)
	}
	db.trouble = nil
	return db.bolt, nil
}

// reopen opens the file again, if it is still the same store.
func (db *DB) reopen() error {
	m, err := db.readMarker()
	if err != nil {
		return err
	}
	if err := db.openMarked(m); err != nil {
		db.bolt = nil
		return err
	}
	return nil
}

func (db *DB) shut() {
	if db.bolt != nil {
		// Its errors tell nothing that the next open does not.
		_ = protect(db.bolt.Close)
		db.bolt = nil
	}
}

func (db *DB) lastCommit() (n uint64, err error) {
	err = db.bolt.View(func(tx *bbolt.Tx) error {
		return protect(func() error { n = commitNumber(tx); return nil })
	})
	return n, err
}

// prove commits the number of the last commit once more.
func (db *DB) prove() error {
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return err
	}
	defer rollback(tx)
	if err := setCommitNumber(tx, commitNumber(tx)); err != nil {
		return err
	}
	return db.o.commit(tx)
}

// committed notes that a commit went through.
func (db *DB) committed() {
	if db.troubled() == nil {
		return
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.trouble = nil
}

func (db *DB) troubled() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.trouble
}
