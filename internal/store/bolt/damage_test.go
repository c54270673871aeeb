package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

const pageSize = 4096

func edit(t *testing.T, path string, fn func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fn(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newestMeta returns what the page that is the newest says.
func newestMeta(t *testing.T, dir string) meta {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := readMeta(f, 0)
	b, err2 := readMeta(f, pageSize)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if b.txn > a.txn {
		return b
	}
	return a
}

// A damage is done to the closed store in dir.
type damage func(t *testing.T, dir string) error

// size cuts the file to the size it is told.
func size(file string, n int64) damage {
	return func(_ *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, file), n) }
}

func gone(name string) damage {
	return func(_ *testing.T, dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
}

func content(file, s string) damage {
	return func(_ *testing.T, dir string) error { return os.WriteFile(filepath.Join(dir, file), []byte(s), 0o600) }
}

// zeroed clears a page of the database.
func zeroed(page func(meta) uint64) damage {
	return func(t *testing.T, dir string) error {
		at := page(newestMeta(t, dir)) * pageSize
		edit(t, filepath.Join(dir, fileName), func(b []byte) []byte { clear(b[at : at+pageSize]); return b })
		return nil
	}
}

// exchanged puts the database of another store in place.
func exchanged(store func(t testing.TB) string) damage {
	return func(t *testing.T, dir string) error {
		return os.Rename(filepath.Join(store(t), fileName), filepath.Join(dir, fileName))
	}
}

func empty(t testing.TB) string {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, Options{Dir: dir, Create: true}))
	return dir
}

func foreign(t testing.TB) string {
	dir := t.TempDir()
	b, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func lastPage(t *testing.T, dir string) error {
	return os.Truncate(filepath.Join(dir, fileName), int64(newestMeta(t, dir).highWater)*pageSize-1)
}

func TestADamagedStoreIsNeverOpenedNorReplaced(t *testing.T) {
	for _, c := range []struct {
		name, says string
		damage     damage
	}{
		{"the database is gone", "gone", gone(fileName)},
		{"the database is empty", "empty", size(fileName, 0)},
		{"the database has one octet", "first meta page", size(fileName, 1)},
		{"the database has one page", "second meta page", size(fileName, pageSize)},
		{"the database has three pages", "cut short", size(fileName, 3*pageSize)},
		{"the last page in use is cut", "cut short", lastPage},
		{"the database is text", "wrong magic", content(fileName, strings.Repeat("text\n", 10000))},
		{"the newest meta page is zeroed", "meta page is damaged", zeroed(func(m meta) uint64 { return m.txn % 2 })},
		{"the older meta page is zeroed", "meta page is damaged", zeroed(func(m meta) uint64 { return (m.txn + 1) % 2 })},
		{"the free list is zeroed", "restore", zeroed(func(m meta) uint64 { return m.freelist })},
		{"the root page is zeroed", "restore", zeroed(func(m meta) uint64 { return m.root })},
		{"the database is a new one", "another store", exchanged(empty)},
		{"the database is that of another store", "another store", exchanged(filled)},
		{"the database is of another program", "buckets", exchanged(foreign)},
		{"the marker is empty", "store.id is damaged", size(markerName, 0)},
		{"the marker is no JSON", "store.id is damaged", content(markerName, "hello")},
		{"the marker is gone", "store.id", gone(markerName)},
		{"the bodies are gone", "bodies is gone", gone(bodiesName)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filled(t)
			if err := c.damage(t, dir); err != nil {
				t.Fatal(err)
			}
			before := snapshotOf(t, dir)
			// Not even where a store may be created.
			for _, create := range []bool{false, true} {
				db, err := Open(Options{Dir: dir, Create: create})
				if err == nil {
					t.Fatalf("create %t: opened: %v", create, db.Close())
				}
				if !errors.Is(err, store.ErrMissing) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("create %t: %v, want ErrMissing and %q", create, err, c.says)
				}
			}
			// The commit that Open makes before it looks for bodies is no change.
			if after := snapshotOf(t, dir); after != before && c.name != "the bodies are gone" {
				t.Errorf("Open changed the directory:\n%s\nto\n%s", before, after)
			}
		})
	}
}

// snapshotOf lists the files of a directory with their sizes, and the head of
// the database.
func snapshotOf(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out.WriteString(path[len(dir):] + " " + fmt.Sprint(len(b), " "))
		out.Write(b[:min(len(b), 200)])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAFileCutAnywhereIsWholeOrRefused(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, fileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	need := int(newestMeta(t, dir).highWater) * pageSize
	for _, size := range cuts(need) {
		if err := os.WriteFile(path, b[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(Options{Dir: dir})
		switch {
		case size < need && !errors.Is(err, store.ErrMissing):
			t.Errorf("%d octets of %d: %v", size, need, err)
		case size >= need && err != nil:
			t.Errorf("%d octets, all that is in use: %v", size, err)
		}
		if err == nil {
			if err := errors.Join(whole(t, db), db.Close()); err != nil {
				t.Errorf("%d octets: %v", size, err)
			}
		}
	}
}

func cuts(need int) (out []int) {
	for at := 0; at <= need; at += pageSize {
		out = append(out, at, at+1, at+pageSize/2)
	}
	return out
}

func TestAFlippedBitInAMetaPageIsRefused(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, fileName)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for page := range int64(2) {
		for i := range int64(metaSize) {
			at := page*pageSize + pageHeader + i
			b := make([]byte, 1)
			if _, err := f.ReadAt(b, at); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte{b[0] ^ 1<<(i%8)}, at); err != nil {
				t.Fatal(err)
			}
			if db, err := Open(Options{Dir: dir}); !errors.Is(err, store.ErrMissing) {
				t.Errorf("page %d, octet %d: %v", page, i, err)
				if err == nil {
					mustClose(t, db)
				}
			}
			if _, err := f.WriteAt(b, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := whole(t, mustOpen(t, Options{Dir: dir})); err != nil {
		t.Errorf("after all was repaired: %v", err)
	}
}

// Data pages have no checksums: some damage goes unnoticed, but none may end
// the process.
func TestADamagedPageEndsNothing(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, fileName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good = good[:newestMeta(t, dir).highWater*pageSize]
	noticed := 0
	for at := 2 * pageSize; at < len(good); at += pageSize {
		for _, fill := range []byte{0, 0xaa} {
			bad := bytes.Clone(good)
			copy(bad[at:at+pageSize], bytes.Repeat([]byte{fill}, pageSize))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := Open(Options{Dir: dir})
			if err != nil {
				noticed++
				continue
			}
			err = db.View(t.Context(), func(tx store.Tx) error {
				return storetest.Records(tx).Scan(store.Range{}, func(string, []byte) error { return nil })
			})
			if err != nil || put(db, "key/15", "new") != nil {
				noticed++
			}
			_ = db.Close()
		}
	}
	if noticed < 3 {
		t.Errorf("%d damaged pages were noticed only", noticed)
	}
}

func TestAGoodChecksumDoesNotExcuseNonsense(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, fileName)
	newest := newestMeta(t, dir)
	for name, forge := range map[string]func(b []byte){
		"root behind the end":       func(b []byte) { binary.NativeEndian.PutUint64(b[16:], newest.highWater) },
		"free list behind the end":  func(b []byte) { binary.NativeEndian.PutUint64(b[32:], newest.highWater+7) },
		"more pages than an int64":  func(b []byte) { binary.NativeEndian.PutUint64(b[40:], 1<<62) },
		"a page size of nought":     func(b []byte) { binary.NativeEndian.PutUint32(b[8:], 0) },
		"a page size of 5000":       func(b []byte) { binary.NativeEndian.PutUint32(b[8:], 5000) },
		"a version from the future": func(b []byte) { binary.NativeEndian.PutUint32(b[4:], 3) },
	} {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		edit(t, path, func(b []byte) []byte {
			m := b[newest.txn%2*pageSize+pageHeader:][:metaSize]
			forge(m)
			h := fnv.New64a()
			h.Write(m[:56])
			binary.NativeEndian.PutUint64(m[56:], h.Sum64())
			return b
		})
		if db, err := Open(Options{Dir: dir}); !errors.Is(err, store.ErrMissing) || strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				mustClose(t, db)
			}
		}
		edit(t, path, func([]byte) []byte { return good })
	}
	if err := whole(t, mustOpen(t, Options{Dir: dir})); err != nil {
		t.Error(err)
	}
}

// A commit that a killed process did not get to sync can be read, and lost.
func TestOpenServesNothingBeforeACommitOfItsOwn(t *testing.T) {
	dir := filled(t)
	for _, commit := range []func(*bbolt.Tx) error{lost, broken} {
		if db, err := Open(Options{Dir: dir, commit: commit}); err == nil {
			t.Errorf("opened: %v", db.Close())
		}
	}
	// What failed gave up the lock.
	if err := whole(t, mustOpen(t, Options{Dir: dir})); err != nil {
		t.Error(err)
	}
}
