package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// copyOf copies the files of a directory.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// earlierStore is a store as the program made it before there was a journal.
func earlierStore(t *testing.T) string {
	t.Helper()
	dir := filled(t)
	b, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bbolt.Tx) error { return tx.Bucket(ownBucket).Delete(journalKey) })
	err = errors.Join(err, b.Close(), os.RemoveAll(filepath.Join(dir, journalName)),
		os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, earlierName)))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAnEarlierStoreIsConvertedWhereverThatIsCutOff(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, dir string){
		"": func(*testing.T, string) {},
		"while segments were made": func(t *testing.T, dir string) {
			journal := filepath.Join(dir, journalName)
			if err := errors.Join(os.Mkdir(journal, 0o700),
				os.WriteFile(filepath.Join(journal, "0"), make([]byte, 5000), 0o600)); err != nil {
				t.Fatal(err)
			}
		},
		"before the file had its name": func(t *testing.T, dir string) {
			mustClose(t, mustOpen(t, Options{Dir: dir}))
			if err := os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, earlierName)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := earlierStore(t)
			cut(t, dir)
			db := mustOpen(t, Options{Dir: dir})
			if err := whole(t, db); err != nil {
				t.Error(err)
			}
			mustPut(t, db, "more", "1")
			mustClose(t, db)
			if _, err := os.Lstat(filepath.Join(dir, earlierName)); err == nil {
				t.Error("an earlier program would still open it")
			}
			db = mustOpen(t, Options{Dir: dir})
			if got := get(t, db, "more"); got != "1" {
				t.Errorf("afterwards it reads %q", got)
			}
		})
	}
}

func TestAJournalThatDoesNotBelongStopsTheStart(t *testing.T) {
	// used leaves a store whose journal holds what its database does not.
	used := func(t *testing.T) string {
		dir := filled(t)
		db := mustOpen(t, Options{Dir: dir})
		mustPut(t, db, "in the journal alone", "1")
		return copyOf(t, dir)
	}
	for name, damage := range map[string]func(t *testing.T, dir string) error{
		"it is gone": func(_ *testing.T, dir string) error { return os.RemoveAll(filepath.Join(dir, journalName)) },
		"a segment is gone": func(_ *testing.T, dir string) error {
			return os.Remove(filepath.Join(dir, journalName, "3"))
		},
		"that of another store": func(t *testing.T, dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, journalName)),
				os.CopyFS(filepath.Join(dir, journalName), os.DirFS(filepath.Join(used(t), journalName))))
		},
		"the database is of before many checkpoints": func(t *testing.T, dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, fileName))
			if err != nil {
				return err
			}
			for range 5 {
				db := mustOpen(t, Options{Dir: dir})
				mustPut(t, db, "later", "1")
				mustClose(t, db)
			}
			return os.WriteFile(filepath.Join(dir, fileName), b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := used(t)
			if err := damage(t, dir); err != nil {
				t.Fatal(err)
			}
			for range 2 { // nothing mends it on the way
				if _, err := Open(Options{Dir: dir}); !errors.Is(err, store.ErrMissing) {
					t.Errorf("Open: %v", err)
				}
			}
		})
	}
	db := mustOpen(t, Options{Dir: used(t)})
	if err := errors.Join(whole(t, db)); err != nil || get(t, db, "in the journal alone") != "1" {
		t.Error("what the journal alone had is lost", err)
	}
}
