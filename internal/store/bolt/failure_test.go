package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/journal"
	"github.com/multimail/multimail/internal/store/storetest"
)

var errDisk = errors.New("input/output error")

// disk stands in for the writes and flushes of the journal: the next ones fail as planned,
// those after that go well.
type disk struct {
	mu          sync.Mutex
	write, sync []error
	syncs       int
}

func (d *disk) hooks() journal.Options {
	return journal.Options{
		Write: func(f *os.File, b []byte, at int64) (int, error) {
			if err := d.next(&d.write); err != nil {
				return 0, err
			}
			return f.WriteAt(b, at)
		},
		Sync: func(f *os.File) error {
			d.mu.Lock()
			d.syncs++
			d.mu.Unlock()
			return d.next(&d.sync)
		},
	}
}

func (d *disk) next(plan *[]error) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(*plan) > 0 {
		err, *plan = (*plan)[0], (*plan)[1:]
	}
	return err
}

// fate is what becomes of a commit.
type fate struct {
	write, sync error
	want        error
}

var fates = map[string]fate{
	"the disk is full":   {write: unix.ENOSPC, want: store.ErrAborted},
	"the write fails":    {write: errDisk, want: store.ErrUnknown},
	"the flush fails":    {sync: errDisk, want: store.ErrUnknown},
	"the flush is full":  {sync: unix.ENOSPC, want: store.ErrUnknown},
	"everything is well": {},
}

func (d *disk) plan(f fate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write, d.sync, d.syncs = []error{f.write}, []error{f.sync}, 0
	if f.write != nil {
		d.sync = nil
	}
}

func TestAFailureIsNeverFollowedByAnotherCommit(t *testing.T) {
	for name, f := range fates {
		t.Run(name, func(t *testing.T) {
			d, dir, clock := &disk{}, t.TempDir(), newClock()
			db := mustOpen(t, Options{Dir: dir, Create: true, Now: clock.now, journal: d.hooks()})
			mustPut(t, db, "k", "old")
			d.plan(f)
			err := put(db, "k", "new")
			if !errors.Is(err, f.want) || (f.want == store.ErrUnknown) == errors.Is(err, store.ErrAborted) && f.want != nil {
				t.Errorf("Update = %v, want %v", err, f.want)
			}
			failed := f.want == store.ErrUnknown
			if f.want == store.ErrAborted && !store.Full(err) {
				t.Errorf("Update = %v, not that the disk is full", err)
			}
			syncs := d.syncs
			if err := put(db, "later", "1"); failed != errors.Is(err, store.ErrAborted) || !failed && err != nil {
				t.Errorf("a later Update = %v", err)
			}
			if failed && d.syncs != syncs {
				t.Error("it was synced again after a failure")
			}
			if err := db.Healthy(); (err != nil) != failed {
				t.Errorf("Healthy: %v", err)
			}
			select {
			case <-db.Failed():
			default:
				failed = false
			}
			if want := f.want == store.ErrUnknown; failed != want {
				t.Errorf("Failed: %t", failed)
			}
			value := map[bool]string{true: "old", false: "new"}[f.want != nil]
			if got := get(t, db, "k"); got != value {
				t.Errorf("the value is %q, want %q", got, value)
			}
			clock.pass(readersGoOn)
			if err := db.View(t.Context(), func(store.Tx) error { return nil }); (err != nil) != failed {
				t.Errorf("View later: %v", err)
			}
			mustClose(t, db)
			db = mustOpen(t, Options{Dir: dir})
			if got := get(t, db, "k"); got != value && !failed {
				t.Errorf("after opening again the value is %q, want %q", got, value)
			}
			mustPut(t, db, "later", "2")
		})
	}
}

func TestABatchHasOneFateAndItsFailuresTheirOwn(t *testing.T) {
	for name, f := range fates {
		t.Run(name, func(t *testing.T) {
			d, own := &disk{}, errors.New("own")
			db := mustOpen(t, Options{Dir: t.TempDir(), Create: true, journal: d.hooks()})
			d.plan(f)
			for i, err := range queued(t, db, 10, func(i int) func(store.Tx) error {
				return func(tx store.Tx) error {
					if i == 3 {
						return own
					}
					return storetest.Records(tx).Put(fmt.Sprint("k", i), nil)
				}
			}) {
				want := f.want
				if i == 3 {
					want = own
				}
				if !errors.Is(err, want) {
					t.Errorf("update %d: %v, want %v", i, err, want)
				}
			}
		})
	}
}

// Body and record share one fate whatever becomes of a commit.
func TestABodySharesTheFateOfItsCommit(t *testing.T) {
	body := make([]byte, inlineMax)
	for name, f := range fates {
		t.Run(name, func(t *testing.T) {
			d, dir := &disk{}, t.TempDir()
			db := mustOpen(t, Options{Dir: dir, Create: true, journal: d.hooks()})
			old := putBody(t, db, "old", body)
			s, err := db.Stage(t.Context(), "new", body)
			if err != nil {
				t.Fatal(err)
			}
			d.plan(f)
			err = db.Update(t.Context(), func(tx store.Tx) error {
				return errors.Join(storetest.Records(tx).Put("record", nil), storetest.Records(tx).PutBody(s),
					storetest.Records(tx).DeleteBody("old"))
			})
			if !errors.Is(err, f.want) {
				t.Fatal(err)
			}
			db.Discard(s)
			for _, again := range []bool{false, true} {
				if again {
					mustClose(t, db)
					db = mustOpen(t, Options{Dir: dir})
				}
				there := get(t, db, "record") != "-"
				_, newErr := db.Body(t.Context(), "new")
				_, oldErr := db.Body(t.Context(), "old")
				if (newErr == nil) != there || (oldErr == nil) == there {
					t.Errorf("record %t, body %v, deleted body %v", there, newErr, oldErr)
				}
				if f.want != store.ErrUnknown && there != (f.want == nil) {
					t.Errorf("record %t", there)
				}
				if again {
					wantFile(t, dir, file(s), there)
					wantFile(t, dir, file(old), !there)
				}
			}
		})
	}
}

func wantFile(t *testing.T, dir, name string, want bool) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, bodiesName, name)); (err == nil) != want {
		t.Errorf("body file %.12s: %v, want it there: %t", name, err, want)
	}
}

// A checkpoint for which the disk has no space is tried again; any other that fails ends the
// store. Nothing is lost by either.
func TestACheckpointThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		fails bool
	}{
		"no space":         {&fs.PathError{Op: "write", Err: unix.ENOSPC}, false},
		"no space to grow": {errors.New("file resize error: no space"), false},
		"a flush without":  {unix.ENOSPC, true},
		"a file's sync":    {&fs.PathError{Op: "sync", Err: unix.ENOSPC}, true},
		"an error":         {&fs.PathError{Op: "write", Err: unix.EIO}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				var tries, wrong atomic.Int32
				commit := func(tx *bbolt.Tx) error {
					if tries.Add(1); wrong.Load() > 0 {
						wrong.Add(-1)
						return c.err
					}
					return tx.Commit()
				}
				db, err := Open(Options{Dir: dir, Create: true, Segment: 64 << 10, commit: commit})
				if err != nil {
					t.Fatal(err)
				}
				mustPut(t, db, "k", "1")
				tries.Store(0)
				wrong.Store(3)
				time.Sleep(checkpointAge + 10*checkpointRetry)
				synctest.Wait()
				want := int32(4)
				if c.fails {
					want = 1
				}
				if n := tries.Load(); n != want || (db.failure() != nil) != c.fails {
					t.Errorf("%d tries, %v", n, db.failure())
				}
				if err := put(db, "k", "2"); (err != nil) != c.fails {
					t.Errorf("Update: %v", err)
				}
				wrong.Store(0)
				mustClose(t, db)
				db, err = Open(Options{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := get(t, db, "k"), map[bool]string{true: "1", false: "2"}[c.fails]; got != want {
					t.Errorf("afterwards the value is %q, want %q", got, want)
				}
				mustClose(t, db)
			})
		})
	}
}
