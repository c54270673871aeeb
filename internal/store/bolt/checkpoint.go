package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/journal"
)

// checkpointAge is how long a change stays in the journal alone, at most.
const checkpointAge = 10 * time.Second

// checkpointRetry is when a checkpoint is tried again for which the disk had no space.
const checkpointRetry = time.Second

// frozen is what a checkpoint moves into the file.
type frozen struct {
	layer *layer
	end   journal.Position // everything before it is in the layer or in the file
}

// freeze hands everything that is in the journal alone to the next checkpoint. Only the
// committer calls it. Nothing happens while another one is under way.
func (db *DB) freeze() {
	s := db.state.Load()
	if s.frozen != nil || db.whole == db.moving {
		return
	}
	db.moving = db.whole
	db.publish(func(s *state) {
		s.frozen, s.moving, s.top, s.octets = s.top, s.octets, new(layer), 0
		s.turn++
	})
	db.frozen <- frozen{s.top, db.whole}
}

// makeRoom waits for the checkpoint that is under way, or begins one. waited is false where
// there is none, and nothing to begin one for.
func (db *DB) makeRoom() (waited bool, err error) {
	if db.freeze(); db.state.Load().frozen == nil {
		return false, nil
	}
	select {
	case err := <-db.moved:
		return true, err
	case <-db.failed:
		return true, db.failure()
	}
}

// checkpoints moves into the file what is handed to it, until the store closes.
func (db *DB) checkpoints() {
	for f := range db.frozen {
		for {
			err := protect(func() error { return db.checkpoint(f) })
			if err == nil {
				break
			}
			if !noSpace(err) {
				_ = db.fail(fmt.Errorf("store: checkpoint: %w", err))
				return
			}
			db.tell(fmt.Errorf("%w: checkpoint: %w", store.ErrFull, err))
			select {
			case <-time.After(checkpointRetry):
			case <-db.closed:
				return // the journal has it
			}
		}
		db.journal.Free(f.end)
		db.publish(func(s *state) {
			s.frozen, s.moving = nil, 0
			s.turn++
		})
		db.tell(nil)
		if db.state.Load().octets >= db.o.Backlog/2 {
			db.wake() // more came meanwhile
		}
	}
}

// tell lets those know who wait for room.
func (db *DB) tell(err error) {
	if err == nil {
		next := make(chan struct{})
		close(*db.ahead.Swap(&next))
	}
	select {
	case <-db.moved: // what nobody has taken is old
	default:
	}
	db.moved <- err
}

// checkpoint puts a layer into the file with the place in the journal up to which the file
// then holds everything, in one transaction.
func (db *DB) checkpoint(f frozen) error {
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return err
	}
	defer rollback(tx)
	if err := fill(tx, f.layer); err != nil {
		return err
	}
	if err := tx.Bucket(ownBucket).Put(journalKey, f.end.Append(nil)); err != nil {
		return err
	}
	return db.o.commit(tx)
}

// fill puts the values of a layer into the buckets, in the order of their keys.
func fill(tx *bbolt.Tx, l *layer) (err error) {
	records, bodies := tx.Bucket(recordBucket), tx.Bucket(bodyBucket)
	l.Scan(func(key string, value []byte) bool {
		in := records
		if key[:1] == kindBody {
			in = bodies
		}
		if value == nil {
			err = in.Delete([]byte(key[1:]))
		} else {
			err = in.Put([]byte(key[1:]), value)
		}
		return err == nil
	})
	return err
}

// noSpace reports whether an error of bbolt says that the file could not grow or that a page
// was not written because the disk is full. Then nothing of the transaction is in force.
// bbolt gives errors of its flushes as bare numbers, or with other words.
func noSpace(err error) bool {
	var at *fs.PathError
	return strings.Contains(err.Error(), "file resize error: ") ||
		errors.As(err, &at) && at.Op == "write" && store.Full(err)
}
