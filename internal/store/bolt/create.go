package bolt

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/journal"
)

// marker is the content of DIR/store.id. The database holds the same id, so
// that an empty database, or that of another node, does not pass for this one.
//
// Programs that know no formats wrote the id as "id" and refuse a marker without
// it as damaged. So they stop at a store that a newer program has opened.
type marker struct {
	Store   string    `json:"store"`
	Created time.Time `json:"created"`
	Old     string    `json:"id,omitempty"`
}

// open finds out whether a database is expected, then opens or makes it.
func (db *DB) open() error {
	m, err := db.readMarker()
	switch {
	case err == nil:
		return db.openMarked(m)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case db.o.Create:
		return db.create()
	}
	for _, name := range []string{fileName, earlierName} {
		if _, err := os.Stat(filepath.Join(db.o.Dir, name)); err == nil {
			return fmt.Errorf("store: %s stands in %s without %s: %w", name, db.o.Dir, markerName, store.ErrMissing)
		}
	}
	return fmt.Errorf("store: none has been made in %s: %w: %w", db.o.Dir, store.ErrMissing, fs.ErrNotExist)
}

func (db *DB) readMarker() (m marker, err error) {
	b, err := os.ReadFile(filepath.Join(db.o.Dir, markerName))
	if err != nil {
		return m, fmt.Errorf("store: %w", err)
	}
	if json.Unmarshal(b, &m) != nil || (m.Store == "") == (m.Old == "") {
		return m, fmt.Errorf("store: %s is damaged; restore it from a backup: %w", markerName, store.ErrMissing)
	}
	return m, nil
}

func (db *DB) openMarked(m marker) error {
	if err := db.openFile(); err != nil {
		return err
	}
	id, _, err := db.identity()
	switch {
	case err == nil && id != m.Store+m.Old:
		err = fmt.Errorf("store: %s is that of another store than %s names: %w", fileName, markerName, store.ErrMissing)
	case err == nil && m.Old != "":
		err = db.writeMarker(marker{Store: id, Created: m.Created})
	}
	if err != nil {
		return errors.Join(err, db.bolt.Close())
	}
	return nil
}

// identity returns the id of the open database and whether it holds anything.
func (db *DB) identity() (id string, empty bool, err error) {
	err = db.bolt.View(func(tx *bbolt.Tx) error {
		return protect(func() error {
			own, records, bodies := tx.Bucket(ownBucket), tx.Bucket(recordBucket), tx.Bucket(bodyBucket)
			if own == nil || records == nil || bodies == nil {
				return errors.New("its buckets are missing")
			}
			id = string(own.Get(idKey))
			record, _ := records.Cursor().First()
			body, _ := bodies.Cursor().First()
			empty = record == nil && body == nil
			return nil
		})
	})
	if err != nil {
		err = damaged("%v", err)
	}
	return id, empty, err
}

// create makes a database under another name and its journal, gives the database its own
// name once both are whole and durable, and writes the marker last. So a database that has no
// marker is either whole and empty, because its making was cut off, or has
// lost its marker: then it is refused, never replaced.
func (db *DB) create() error {
	if err := makeDir(db.o.Dir); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	lock, err := openLocked(db.o.Dir, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer lock.Close()
	// Somebody else may have been faster.
	if m, err := db.readMarker(); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return db.openMarked(m)
	}
	if _, err := os.Lstat(db.path); errors.Is(err, fs.ErrNotExist) && !db.isEarlier() {
		if err := db.makeFile(); err != nil {
			return fmt.Errorf("store: make %s: %w", fileName, err)
		}
	}
	if err := db.openFile(); err != nil {
		return err
	}
	if err := db.mark(); err != nil {
		return errors.Join(err, db.bolt.Close())
	}
	return nil
}

func (db *DB) makeFile() (err error) {
	name := db.path + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := bbolt.Open(name, 0o600, boltOptions())
	if err != nil {
		return err
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	id := hex.EncodeToString(raw)
	err = b.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(recordBucket)
		_, err2 := tx.CreateBucket(bodyBucket)
		own, err3 := tx.CreateBucket(ownBucket)
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		return errors.Join(own.Put(idKey, []byte(id)), beginJournal(tx))
	})
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	if err := journal.Create(db.journalOptions(id)); err != nil {
		return err
	}
	if err := os.Rename(name, db.path); err != nil {
		return err
	}
	return syncDir(db.o.Dir)
}

// mark writes the marker of the open database.
func (db *DB) mark() error {
	id, empty, err := db.identity()
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("store: %s holds records but %s is missing; restore that from a backup: %w", fileName, markerName,
			store.ErrMissing)
	}
	if err := errors.Join(db.bolt.Sync(), syncDir(db.o.Dir)); err != nil {
		return fmt.Errorf("store: write %s: %w", markerName, err)
	}
	return db.writeMarker(marker{Store: id, Created: db.o.Now().UTC()})
}

func (db *DB) writeMarker(m marker) error {
	b, err := json.Marshal(m)
	if err == nil {
		err = writeSynced(filepath.Join(db.o.Dir, markerName), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("store: write %s: %w", markerName, err)
	}
	return nil
}

// makeDir makes a directory whose name survives a power cut.
func makeDir(dir string) error {
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// writeSynced writes a file that is whole and durable, or not there.
func writeSynced(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
