package bolt

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/journal"
)

// segments is how many segments a journal has.
const segments = 4

func (db *DB) journalOptions(id string) journal.Options {
	o := db.o.journal
	o.Dir, o.Store, o.Segments, o.Size = filepath.Join(db.o.Dir, journalName), id, segments, db.o.Segment
	return o
}

// recover moves into the file what the journal has more than it, and opens the journal.
//
// That is done even if there is nothing to move: a process that was killed between writing a
// transaction and syncing it left one that can be read and could still be lost.
func (db *DB) recover() error {
	id, _, err := db.identity()
	if err != nil {
		return err
	}
	o := db.journalOptions(id)
	if db.earlier {
		if err := db.convert(o); err != nil {
			return err
		}
	}
	from, err := db.checkpointed()
	if err != nil {
		return err
	}
	if fi, err := os.Stat(filepath.Join(o.Dir, "0")); err == nil {
		o.Size, db.o.Segment = fi.Size(), fi.Size()
	}
	j, found, err := journal.Open(o, from)
	if err != nil {
		return fmt.Errorf("%w; restore the store from a backup: %w", err, store.ErrMissing)
	}
	db.journal = j
	l := new(layer)
	if err := replay(found.Batches, l); err != nil {
		return fmt.Errorf("%w: %w", err, store.ErrMissing)
	}
	if err := db.checkpoint(frozen{l, found.End}); err != nil {
		return err
	}
	j.Free(found.End)
	db.whole, db.moving = found.End, found.End
	return nil
}

// replay puts what whole commits changed into a layer.
func replay(batches [][]byte, into *layer) error {
	var commit [][]byte
	for _, b := range batches {
		if len(b) == 0 {
			return errRecord
		}
		if b[0]&flagBegin != 0 {
			commit = nil
		}
		if commit = append(commit, b[1:]); b[0]&flagEnd == 0 {
			continue
		}
		var whole []byte
		for _, part := range commit {
			whole = append(whole, part...)
		}
		if err := decode(whole, into); err != nil {
			return err
		}
		commit = nil
	}
	return nil
}

// checkpointed returns the place in the journal up to which everything is in the file.
func (db *DB) checkpointed() (p journal.Position, err error) {
	err = db.bolt.View(func(tx *bbolt.Tx) error {
		var ok bool
		if p, ok = journal.ParsePosition(tx.Bucket(ownBucket).Get(journalKey)); !ok {
			return damaged("it does not say where its journal begins")
		}
		return nil
	})
	return p, err
}

// convert gives a store of before there was a journal one, and then its file another name: an
// earlier program would open the file without the journal. Cut off at any place, it is done
// again: until the file has its name the journal holds nothing.
func (db *DB) convert(o journal.Options) error {
	if err := journal.Create(o); err != nil {
		return err
	}
	err := db.bolt.Update(func(tx *bbolt.Tx) error {
		return protect(func() error { return beginJournal(tx) })
	})
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(db.o.Dir, earlierName), db.path); err != nil {
		return err
	}
	return syncDir(db.o.Dir)
}

// beginJournal notes that nothing is in a new journal.
func beginJournal(tx *bbolt.Tx) error {
	return tx.Bucket(ownBucket).Put(journalKey, journal.Position{Lap: 1}.Append(nil))
}
