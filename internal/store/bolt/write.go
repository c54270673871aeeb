package bolt

import (
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/journal"
)

// write makes a commit durable in the journal.
func (db *DB) write(b *batch) error {
	data := encode(nil, b.changes)
	largest := journal.Largest(db.o.Segment) - 1
	for flags := byte(flagBegin); flags&flagEnd == 0; {
		n := min(len(data), largest)
		if n == len(data) {
			flags |= flagEnd
		}
		err := db.append(append(append(db.buf[:0], flags), data[:n]...))
		if err != nil && flags&flagBegin == 0 && errors.Is(err, store.ErrAborted) {
			err = errors.Join(err, db.flush()) // what was written of it is void, and takes space
		}
		if err != nil {
			return err
		}
		data, flags = data[n:], flags&^flagBegin
	}
	return db.flush()
}

// flush makes durable what the journal has, and notes its end.
func (db *DB) flush() error {
	if err := db.journal.Sync(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnknown, db.fail(err))
	}
	db.whole = db.journal.End()
	db.flushes.Add(1)
	return nil
}

// Flushes returns how many flushes of the journal made changes durable since Open.
func (db *DB) Flushes() uint64 { return db.flushes.Load() }

// append writes one batch to the journal. Where no segment is free it waits for a checkpoint.
func (db *DB) append(data []byte) error {
	db.buf = data
	for waited := true; ; {
		_, err := db.journal.Append(data)
		if errors.Is(err, journal.ErrFull) && waited {
			// One may have ended just now, so without it there is one more try.
			if waited, err = db.makeRoom(); err == nil {
				continue
			}
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, journal.ErrFull):
			return fmt.Errorf("%w: %w: the change is larger than the journal", store.ErrAborted, store.ErrFull)
		case store.Full(err):
			return fmt.Errorf("%w: %w", store.ErrAborted, err)
		default:
			return fmt.Errorf("%w: %w", store.ErrUnknown, db.fail(err))
		}
	}
}

// show lets everybody see what a batch changed.
func (db *DB) show(on *state, work *layer, b *batch) {
	db.publish(func(s *state) {
		if s.top != on.top { // it was frozen meanwhile, to make room
			work = s.top.Copy()
			for _, c := range b.changes {
				work.Set(c.key, c.value)
			}
		}
		s.top, s.octets = work, s.octets+b.octets
	})
	if db.full() {
		db.freeze()
	}
	db.grows()
}

// grows sees to it that nothing is in the journal alone for long.
func (db *DB) grows() {
	if !db.ageing {
		db.ageing = true
		time.AfterFunc(checkpointAge, db.wake)
	}
}

// wake has the committer look whether a checkpoint is due.
func (db *DB) wake() {
	select {
	case db.due <- struct{}{}:
	default: // it will
	}
}

// full reports whether so much is in the journal alone that a checkpoint is due.
func (db *DB) full() bool {
	return db.state.Load().octets >= db.o.Backlog/2 || db.journal.Used() >= db.o.Segment*segments/2
}

// publish replaces the state by a changed copy.
func (db *DB) publish(change func(*state)) {
	db.publishing.Lock()
	defer db.publishing.Unlock()
	s := *db.state.Load()
	change(&s)
	db.state.Store(&s)
}
