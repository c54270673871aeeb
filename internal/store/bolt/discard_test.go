package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

func exists(t *testing.T, dir, name string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, bodiesName, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestDiscardRemovesWhatNoRecordNames(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	body := make([]byte, inlineMax)
	var staged [2]store.Staged
	for i := range staged {
		var err error
		if staged[i], err = db.Stage(t.Context(), "k", body); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return storetest.Records(tx).PutBody(staged[0])
	}); err != nil {
		t.Fatal(err)
	}
	for _, s := range staged {
		db.Discard(s)
		db.Discard(s)
	}
	if !exists(t, dir, file(staged[0])) || exists(t, dir, file(staged[1])) {
		t.Error("what was put is gone, or what was not is there")
	}
	db.Discard(store.Inline("k", body))
	db.Discard(store.NewStaged("k", 1, "../multimail.db"))
	if b, err := db.Body(t.Context(), "k"); err != nil || len(b) != len(body) {
		t.Errorf("the body that was put: %v", err)
	}
}

// The outcome of the commit is unknown: the file stays until the next start knows it.
func TestDiscardWaitsForAnUnknownOutcome(t *testing.T) {
	for name, f := range fates {
		if f.want != store.ErrUnknown {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d, dir := &disk{}, t.TempDir()
			db := mustOpen(t, Options{Dir: dir, Create: true, journal: d.hooks()})
			s, err := db.Stage(t.Context(), "k", make([]byte, inlineMax))
			if err != nil {
				t.Fatal(err)
			}
			d.plan(f)
			err = db.Update(t.Context(), func(tx store.Tx) error { return storetest.Records(tx).PutBody(s) })
			if !errors.Is(err, store.ErrUnknown) {
				t.Fatalf("Update = %v, want unknown", err)
			}
			db.Discard(s)
			if !exists(t, dir, file(s)) {
				t.Fatal("removed while nobody knew")
			}
			mustClose(t, db)
			db = mustOpen(t, Options{Dir: dir})
			_, err = db.Body(t.Context(), "k")
			if inForce := err == nil; exists(t, dir, file(s)) != inForce || inForce != (f.write == nil) {
				t.Errorf("in force: %t, the file is there: %t", inForce, exists(t, dir, file(s)))
			}
		})
	}
}

func TestTheReserveIsCheckedAgainstWhatIsComing(t *testing.T) {
	db := mustOpen(t, Options{Dir: t.TempDir(), Create: true, Reserve: 1})
	if err := db.Healthy(); err != nil {
		t.Fatal(err)
	}
	free := db.health.free
	if err := db.Fits(free / 2); err != nil {
		t.Errorf("half of what is free: %v", err)
	}
	if db.health.at.IsZero() {
		t.Fatal("nobody looked at the disk")
	}
	if err := db.Fits(4 * free); err == nil {
		t.Error("four times what is free fits")
	}
	for range 10 {
		if err := db.Fits(free / 2); err != nil {
			t.Fatalf("a question took space: %v", err)
		}
	}
	if _, err := db.Stage(t.Context(), "k", make([]byte, inlineMax)); err != nil || db.health.free != free-inlineMax {
		t.Errorf("%d octets are free after %d of %d were written, %v", db.health.free, inlineMax, free, err)
	}
}
