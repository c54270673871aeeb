package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

var errDisk = errors.New("input/output error")

// disk stands in for Tx.Commit: the next commits go as planned, those after
// that well.
type disk struct {
	mu      sync.Mutex
	plan    []func(*bbolt.Tx) error
	commits int
}

func (d *disk) commit(tx *bbolt.Tx) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	if len(d.plan) == 0 {
		return tx.Commit()
	}
	next := d.plan[0]
	d.plan = d.plan[1:]
	return next(tx)
}

func (d *disk) plans(fn ...func(*bbolt.Tx) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.commits = fn, 0
}

func lost(*bbolt.Tx) error      { return errDisk }
func done(tx *bbolt.Tx) error   { return errors.Join(tx.Commit(), errDisk) }
func broken(tx *bbolt.Tx) error { panic("broken") }

// away loses the file after what fn does.
func away(dir string, fn func(*bbolt.Tx) error) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		path := filepath.Join(dir, fileName)
		return errors.Join(fn(tx), os.Rename(path, path+".away"))
	}
}

func back(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
}

func TestTheOutcomeOfAFailedCommitIsLookedUp(t *testing.T) {
	for _, c := range []struct {
		name string
		plan []func(*bbolt.Tx) error
		want error
		now  string // value afterwards
	}{
		{"an error and not in force", []func(*bbolt.Tx) error{lost}, store.ErrAborted, "old"},
		{"a panic and not in force", []func(*bbolt.Tx) error{broken}, store.ErrAborted, "old"},
		{"an error and in force", []func(*bbolt.Tx) error{done}, nil, "new"},
		{"in force, but no commit proves it", []func(*bbolt.Tx) error{done, lost}, store.ErrUnknown, "new"},
		{"in force, and the proof is unclear too", []func(*bbolt.Tx) error{done, done}, store.ErrUnknown, "new"},
		{"in force, and the proof panics", []func(*bbolt.Tx) error{done, broken}, store.ErrUnknown, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, dir := &disk{}, t.TempDir()
			db := mustOpen(t, Options{Dir: dir, Create: true, commit: d.commit})
			mustPut(t, db, "k", "old")
			d.plans(c.plan...)
			err := put(db, "k", "new")
			if !errors.Is(err, c.want) || c.want != nil && strings.Contains(c.name, "error") && !errors.Is(err, errDisk) {
				t.Errorf("Update = %v, want %v with its cause", err, c.want)
			}
			for _, other := range []error{store.ErrAborted, store.ErrUnknown} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("Update = %v, which is also %v", err, other)
				}
			}
			if c.want == nil && d.commits < 2 {
				t.Error("told 'done' without a durable commit after the failed one")
			}
			// Everything works again, and the answer was the truth.
			mustPut(t, db, "next", "1")
			if got := get(t, db, "k"); got != c.now {
				t.Errorf("afterwards the value is %q, want %q", got, c.now)
			}
			if err := db.Healthy(); err != nil {
				t.Errorf("Healthy after a good commit: %v", err)
			}
			mustClose(t, db)
			checkPages(t, dir)
			if got := get(t, mustOpen(t, Options{Dir: dir}), "k"); got != c.now {
				t.Errorf("after opening again the value is %q, want %q", got, c.now)
			}
		})
	}
}

func TestAStoreThatCannotBeReadAgainIsUnknownAndUnhealthy(t *testing.T) {
	for name, c := range map[string]struct {
		fate func(*bbolt.Tx) error
		now  string
	}{"in force": {done, "new"}, "not in force": {lost, "old"}} {
		t.Run(name, func(t *testing.T) {
			d, dir, clock := &disk{}, t.TempDir(), newClock()
			db := mustOpen(t, Options{Dir: dir, Create: true, Now: clock.now, commit: d.commit})
			mustPut(t, db, "k", "old")
			if err := db.Healthy(); err != nil {
				t.Fatal(err)
			}
			d.plans(away(dir, c.fate))
			if err := put(db, "k", "new"); !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrAborted) {
				t.Errorf("Update = %v, want unknown", err)
			}
			for range 2 {
				if err := put(db, "later", "1"); !errors.Is(err, store.ErrAborted) || errors.Is(err, store.ErrUnknown) {
					t.Errorf("a later Update = %v, want aborted: it never ran", err)
				}
				if err := db.View(t.Context(), func(store.Tx) error { return nil }); err == nil {
					t.Error("View reads a store that cannot be opened")
				}
				// Not held back by what Healthy said within the last second.
				if err := db.Healthy(); !errors.Is(err, errDisk) {
					t.Errorf("Healthy = %v, want the cause", err)
				}
				clock.pass(2 * time.Second)
			}
			back(t, dir)
			// It can be read, and what it says could still be lost.
			d.plans(lost)
			if err := put(db, "later", "1"); !errors.Is(err, store.ErrAborted) {
				t.Errorf("Update before a commit went through = %v", err)
			}
			if err := db.View(t.Context(), func(store.Tx) error { return nil }); err == nil {
				t.Error("View reads what no commit has proved")
			}
			// The doors ask Healthy only: it has to notice.
			if err := db.Healthy(); err != nil {
				t.Errorf("Healthy with the file back: %v", err)
			}
			if got := get(t, db, "k"); got != c.now {
				t.Errorf("the value is %q, want %q", got, c.now)
			}
			if got := get(t, db, "later"); got != "-" {
				t.Errorf("an aborted update left %q", got)
			}
		})
	}
}

func TestTheDiskComesBackWithoutAnUpdate(t *testing.T) {
	d, clock := &disk{}, newClock()
	db := mustOpen(t, Options{Dir: t.TempDir(), Create: true, Now: clock.now, commit: d.commit})
	d.plans(lost, lost)
	if err := put(db, "k", "new"); !errors.Is(err, store.ErrAborted) {
		t.Fatal(err)
	}
	if err := db.Healthy(); !errors.Is(err, errDisk) {
		t.Errorf("Healthy right after a failed commit, and a failed probe: %v", err)
	}
	if err := db.Healthy(); !errors.Is(err, errDisk) || d.commits != 2 {
		t.Errorf("Healthy within the second: %v after %d commits, want one probe", err, d.commits)
	}
	clock.pass(time.Second)
	if err := db.Healthy(); err != nil {
		t.Errorf("Healthy a second later: %v", err)
	}
	if got := get(t, db, "k"); got != "-" {
		t.Errorf("an aborted update left %q", got)
	}
}

// Body and record share one fate whatever a commit answers.
func TestABodySharesTheFateOfItsCommit(t *testing.T) {
	body := make([]byte, inlineMax)
	for name, c := range map[string]struct {
		fate  func(*bbolt.Tx) error
		there bool
	}{"in force": {done, true}, "not in force": {lost, false}} {
		t.Run(name, func(t *testing.T) {
			d, dir := &disk{}, t.TempDir()
			db := mustOpen(t, Options{Dir: dir, Create: true, commit: d.commit})
			old := putBody(t, db, "old", body)
			s, err := db.Stage(t.Context(), "new", body)
			if err != nil {
				t.Fatal(err)
			}
			d.plans(c.fate)
			err = db.Update(t.Context(), func(tx store.Tx) error {
				return errors.Join(storetest.Records(tx).Put("record", nil), storetest.Records(tx).PutBody(s),
					storetest.Records(tx).DeleteBody("old"))
			})
			if (err == nil) != c.there {
				t.Fatal(err)
			}
			for _, again := range []bool{false, true} {
				if again {
					mustClose(t, db)
					db = mustOpen(t, Options{Dir: dir})
				}
				_, newErr := db.Body(t.Context(), "new")
				_, oldErr := db.Body(t.Context(), "old")
				record := get(t, db, "record") != "-"
				if record != c.there || (newErr == nil) != c.there || (oldErr == nil) == c.there {
					t.Errorf("record %t, body %v, deleted body %v", record, newErr, oldErr)
				}
			}
			wantFile(t, dir, file(s), c.there)
			wantFile(t, dir, file(old), !c.there)
		})
	}
}

func wantFile(t *testing.T, dir, name string, want bool) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, bodiesName, name)); (err == nil) != want {
		t.Errorf("body file %.12s: %v, want it there: %t", name, err, want)
	}
}
