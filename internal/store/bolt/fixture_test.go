package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// TestMain lets the test binary be its own victim: see children.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := children[role](os.Getenv(dirVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestBoltKeepsTheContractOfAStore(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T) store.Store {
		dir, opened := dirs[t.Name()]
		if !opened {
			dir = t.TempDir()
			dirs[t.Name()] = dir
		}
		return mustOpen(t, Options{Dir: dir, Create: !opened})
	})
}

// settled has a checkpoint after every change.
type settled struct{ *DB }

func (s settled) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := s.DB.Update(ctx, fn)
	for {
		ahead := *s.ahead.Load()
		if at := s.state.Load(); at.frozen == nil && at.top.Len() == 0 || s.failure() != nil {
			return err
		}
		select {
		case <-ahead:
		case <-s.closed:
			return err
		}
	}
}

func TestAStoreThatIsMovedAfterEveryChangeKeepsTheContract(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T) store.Store {
		dir, opened := dirs[t.Name()]
		if !opened {
			dir = t.TempDir()
			dirs[t.Name()] = dir
		}
		return settled{mustOpen(t, Options{Dir: dir, Create: !opened, Backlog: 1})}
	})
}

func mustOpen(t testing.TB, o Options) *DB {
	t.Helper()
	if o.Segment == 0 {
		o.Segment = 256 << 10 // small, so that it is made quickly
	}
	db, err := Open(o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustClose(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func put(db *DB, key, value string) error {
	return db.Update(context.Background(), func(tx store.Tx) error {
		return storetest.Records(tx).Put(key, []byte(value))
	})
}

func mustPut(t testing.TB, db *DB, key, value string) {
	t.Helper()
	if err := put(db, key, value); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// get returns a value, or "-" for none.
func get(t testing.TB, db *DB, key string) string {
	t.Helper()
	var v []byte
	err := db.View(context.Background(), func(tx store.Tx) (err error) {
		if v, err = storetest.Records(tx).Get(key); errors.Is(err, store.ErrNotFound) {
			v, err = []byte("-"), nil
		}
		return err
	})
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(v)
}

func putBody(t testing.TB, db *DB, key string, body []byte) store.Staged {
	t.Helper()
	s, err := db.Stage(context.Background(), key, body)
	if err != nil {
		t.Fatalf("Stage %s: %v", key, err)
	}
	if err := db.Update(context.Background(), func(tx store.Tx) error {
		return storetest.Records(tx).PutBody(s)
	}); err != nil {
		t.Fatalf("PutBody %s: %v", key, err)
	}
	return s
}

// filled makes a store with records in it and returns its closed directory.
func filled(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	for i := range 30 {
		mustPut(t, db, fmt.Sprintf("key/%02d", i), fmt.Sprintf("%0500d", i))
	}
	putBody(t, db, "big", make([]byte, 100<<10))
	mustClose(t, db)
	return dir
}

// whole reports what is not as filled made it.
func whole(t testing.TB, db *DB) error {
	for i := range 30 {
		if got := get(t, db, fmt.Sprintf("key/%02d", i)); got != fmt.Sprintf("%0500d", i) {
			return fmt.Errorf("key %d is %.20q", i, got)
		}
	}
	_, err := db.Body(context.Background(), "big")
	return err
}

// checkPages lets bbolt check every page of a closed store.
func checkPages(t testing.TB, dir string) {
	t.Helper()
	b, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true,
		PreLoadFreelist: true})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	defer b.Close()
	err = b.View(func(tx *bbolt.Tx) error {
		var errs []error
		for err := range tx.Check() {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Errorf("bbolt finds damage: %v", err)
	}
}

// clock is a clock that goes when it is told to.
type clock struct{ at time.Time }

func newClock() *clock                { return &clock{time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }
func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// file is the name of the file that holds a staged body, "" for none.
func file(s store.Staged) string {
	_, name := s.Kept()
	return name
}

// What stands in for the commit of a checkpoint.
func lost(*bbolt.Tx) error   { return errDisk }
func broken(*bbolt.Tx) error { panic("broken") }

// back undoes that the database was moved away.
func back(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
}
