package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, bodiesName), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBodiesFrom64KiBUpAreFiles(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	putBody(t, db, "small", make([]byte, inlineMax-1))
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files for a small body", n)
	}
	s := putBody(t, db, "big", make([]byte, inlineMax))
	fi, err := os.Stat(filepath.Join(dir, bodiesName, file(s)))
	if err != nil || fi.Mode().Perm() != 0o600 || fi.Size() != inlineMax || files(t, dir) != 1 {
		t.Errorf("%v, %v, %d files", fi, err, files(t, dir))
	}
	// A transaction that fails removes nothing.
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(storetest.Records(tx).DeleteBody("big"), errDisk)
	}); err == nil {
		t.Fatal("no error")
	}
	wantFile(t, dir, file(s), true)
	second := putBody(t, db, "big", make([]byte, inlineMax+1))
	wantFile(t, dir, file(s), false)
	wantFile(t, dir, file(second), true)
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return storetest.Records(tx).DeleteBody("big")
	}); err != nil {
		t.Fatal(err)
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files after all were deleted", n)
	}
	// What is gone cannot be put in force again.
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return storetest.Records(tx).PutBody(second)
	}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("PutBody of a deleted file: %v", err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return storetest.Records(tx).PutBody(store.NewStaged("x", 1, "../"+fileName))
	}); err == nil {
		t.Error("PutBody took the database for a body")
	}
}

func TestTheSweepTakesOnlyWhatNoRecordNames(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	kept := putBody(t, db, "kept", make([]byte, inlineMax))
	staged, err := db.Stage(t.Context(), "staged", make([]byte, inlineMax))
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
	for _, name := range []string{"notes.txt", "ab", tempPrefix + "123"} {
		if err := os.WriteFile(filepath.Join(dir, bodiesName, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db = mustOpen(t, Options{Dir: dir})
	wantFile(t, dir, file(kept), true)
	wantFile(t, dir, file(staged), false)
	wantFile(t, dir, "notes.txt", true)
	wantFile(t, dir, "ab", true)
	wantFile(t, dir, tempPrefix+"123", false)
	if _, err := db.Body(t.Context(), "kept"); err != nil {
		t.Error(err)
	}
}

func TestADamagedBodyIsAnErrorNotABody(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir, file string){
		"a flipped bit in its file": func(t *testing.T, _, file string) {
			edit(t, file, func(b []byte) []byte { b[inlineMax/2] ^= 1; return b })
		},
		"a file cut short": func(t *testing.T, _, file string) {
			edit(t, file, func(b []byte) []byte { return b[:len(b)-1] })
		},
		"a file that grew": func(t *testing.T, _, file string) {
			edit(t, file, func(b []byte) []byte { return append(b, 0) })
		},
		"a file that is gone": func(t *testing.T, _, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"a flipped bit in the record": func(t *testing.T, dir, _ string) { flipBody(t, dir, 0) },
		"a flipped bit in the sum":    func(t *testing.T, dir, _ string) { flipBody(t, dir, 20) },
		"a flipped bit in the name":   func(t *testing.T, dir, _ string) { flipBody(t, dir, 50) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := mustOpen(t, Options{Dir: dir, Create: true})
			s := putBody(t, db, "big", make([]byte, inlineMax))
			mustClose(t, db)
			damage(t, dir, filepath.Join(dir, bodiesName, file(s)))
			db = mustOpen(t, Options{Dir: dir})
			b, err := db.Body(t.Context(), "big")
			if err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("Body = %d octets, %v", len(b), err)
			}
			if name == "a flipped bit in the record" {
				wantFile(t, dir, file(s), true) // unreadable is not unnamed
			}
		})
	}
}

func TestADamagedInlineBodyIsAnErrorNotABody(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	putBody(t, db, "small", []byte("a small body of a mail, which is kept in the database"))
	mustClose(t, db)
	flipBody(t, dir, 50)
	if b, err := mustOpen(t, Options{Dir: dir}).Body(t.Context(), "small"); err == nil {
		t.Errorf("Body = %q", b)
	}
}

// flipBody flips a bit in the only record of a body.
func flipBody(t *testing.T, dir string, at int) {
	t.Helper()
	b, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		k, v := tx.Bucket(bodyBucket).Cursor().First()
		changed := append([]byte(nil), v...)
		changed[at] ^= 4
		return tx.Bucket(bodyBucket).Put(k, changed)
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestHealthSeesTheDiskAndTheFile(t *testing.T) {
	dir, clock := t.TempDir(), newClock()
	db := mustOpen(t, Options{Dir: dir, Create: true, Now: clock.now})
	if err := db.Healthy(); err != nil {
		t.Errorf("Healthy: %v", err)
	}
	path := filepath.Join(dir, fileName)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := db.Healthy(); err != nil {
		t.Errorf("Healthy looked twice within a second: %v", err)
	}
	clock.pass(time.Second)
	if err := db.Healthy(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Healthy without its file: %v", err)
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<30)); err != nil {
		t.Fatal(err)
	}
	clock.pass(time.Second)
	if err := db.Healthy(); err == nil {
		t.Error("Healthy with another file in place of its own")
	}
	back(t, dir)
	clock.pass(time.Second)
	if err := db.Healthy(); err != nil {
		t.Errorf("Healthy with its file back: %v", err)
	}
	full := mustOpen(t, Options{Dir: t.TempDir(), Create: true, Reserve: 1 << 60})
	if err := full.Healthy(); err == nil {
		t.Error("Healthy on a disk without the reserve")
	}
	mustPut(t, full, "a", "what is under way can still be recorded")
}
