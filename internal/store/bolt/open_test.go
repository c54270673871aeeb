package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/multimail/multimail/internal/store"
)

func TestOnlyCreateCreates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, store.ErrMissing) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open where nothing is: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open without Create left something: %v", err)
	}
	db := mustOpen(t, Options{Dir: dir, Create: true})
	mustPut(t, db, "a", "1")
	mustClose(t, db)
	for path, mode := range map[string]fs.FileMode{
		"": 0o700, fileName: 0o600, markerName: 0o600, bodiesName: 0o700,
	} {
		fi, err := os.Stat(filepath.Join(dir, path))
		if err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v, want %v", path, fi.Mode().Perm(), err, mode)
		}
	}
	// Create on what is there opens it.
	if got := get(t, mustOpen(t, Options{Dir: dir, Create: true}), "a"); got != "1" {
		t.Errorf("Create of a store that is there reads %q", got)
	}
}

func TestAnInterruptedCreationIsFinished(t *testing.T) {
	for name, cut := range map[string]func(dir string) error{
		"before the database had its name": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, markerName)),
				os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, fileName+".new")),
				os.Truncate(filepath.Join(dir, fileName+".new"), 5000))
		},
		"before the marker": func(dir string) error { return os.Remove(filepath.Join(dir, markerName)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mustClose(t, mustOpen(t, Options{Dir: dir, Create: true}))
			if err := cut(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Options{Dir: dir}); !errors.Is(err, store.ErrMissing) {
				t.Errorf("Open without Create: %v", err)
			}
			db := mustOpen(t, Options{Dir: dir, Create: true})
			mustPut(t, db, "a", "1")
			mustClose(t, db)
			if got := get(t, mustOpen(t, Options{Dir: dir}), "a"); got != "1" {
				t.Errorf("after the creation was finished: %q", got)
			}
		})
	}
}

func TestADirectoryHasOneDaemon(t *testing.T) {
	dir := t.TempDir()
	first := mustOpen(t, Options{Dir: dir, Create: true})
	if _, err := Open(Options{Dir: dir}); err == nil ||
		!strings.Contains(err.Error(), "another daemon has the data directory open") || errors.Is(err, store.ErrMissing) {
		t.Errorf("second Open: %v", err)
	}
	mustPut(t, first, "a", "1")
	mustClose(t, first)
	if got := get(t, mustOpen(t, Options{Dir: dir}), "a"); got != "1" {
		t.Errorf("after the first one closed: %q", got)
	}
}

func TestTwoCreatorsMakeOneStore(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	opened := make(chan *DB, 4)
	for range cap(opened) {
		wg.Go(func() {
			db, err := Open(Options{Dir: dir, Create: true})
			if err != nil && !errors.Is(err, errLocked) {
				t.Errorf("Open: %v", err)
			}
			if err == nil {
				opened <- db
			}
		})
	}
	wg.Wait()
	if len(opened) != 1 {
		t.Fatalf("%d have the store open", len(opened))
	}
	mustClose(t, <-opened)
	mustOpen(t, Options{Dir: dir})
}
