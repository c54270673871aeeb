package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// queued blocks the committer, lets n updates queue up and releases them.
func queued(t *testing.T, db *DB, n int, fn func(i int) func(store.Tx) error) []error {
	t.Helper()
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Update(context.Background(), func(store.Tx) error { close(running); <-release; return nil })
	})
	<-running
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = db.Update(context.Background(), fn(i)) })
	}
	for len(db.calls) < n {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	return errs
}

func TestWhatQueuesUpSharesACommit(t *testing.T) {
	d, dir := &disk{}, t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true, journal: d.hooks()})
	d.syncs = 0
	errs := queued(t, db, 100, func(i int) func(store.Tx) error {
		return func(tx store.Tx) error {
			err := storetest.Records(tx).Put(fmt.Sprintf("k/%03d", i), nil)
			switch i % 4 {
			case 1:
				return errors.Join(err, errDisk)
			case 2:
				panic("on purpose")
			}
			return err
		}
	})
	if d.syncs != 1 {
		t.Errorf("100 updates took %d commits", d.syncs)
	}
	for i, err := range errs {
		good := i%4 == 0 || i%4 == 3
		if (err == nil) != good {
			t.Errorf("update %d: %v", i, err)
		}
		if got := get(t, db, fmt.Sprintf("k/%03d", i)) == ""; got != good {
			t.Errorf("update %d: stored %t", i, got)
		}
	}
	mustClose(t, db)
	checkPages(t, dir)
}

// A closure that fails beside others is undone step by step: a transaction
// that failed alone is only rolled back, and would not show a mistake.
func TestAFailureIsUndoneInsideASharedCommit(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	for _, k := range []string{"a", "b", "c"} {
		mustPut(t, db, k, "old "+k)
	}
	mustPut(t, db, "empty", "")
	old := putBody(t, db, "body", make([]byte, inlineMax))
	const n = 12
	errs := queued(t, db, n, func(i int) func(store.Tx) error {
		if i%2 == 0 {
			return func(tx store.Tx) error { return storetest.Records(tx).Put(fmt.Sprintf("good/%02d", i), []byte("good")) }
		}
		return func(tx store.Tx) error {
			all := map[string]bool{"new": true}
			errs := []error{storetest.Records(tx).Scan(store.Range{}, func(k string, _ []byte) error {
				all[k] = true
				return nil
			})}
			for k := range all {
				errs = append(errs, storetest.Records(tx).Put(k, []byte("x")), storetest.Records(tx).Delete(k),
					storetest.Records(tx).Put(k, []byte("y")), storetest.Records(tx).Put(k, nil))
			}
			errs = append(errs, storetest.Records(tx).Delete("b"), storetest.Records(tx).Delete("empty"),
				storetest.Records(tx).PutBody(store.Inline("body", []byte("x"))), storetest.Records(tx).DeleteBody("body"),
				storetest.Records(tx).PutBody(store.Inline("more", nil)))
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
			return errDisk
		}
	})
	want := map[string]string{"a": "old a", "b": "old b", "c": "old c", "empty": "", "new": "-"}
	for i, err := range errs {
		if good := i%2 == 0; (err == nil) != good {
			t.Errorf("update %d: %v", i, err)
		} else if good {
			want[fmt.Sprintf("good/%02d", i)] = "good"
		}
	}
	for k, v := range want {
		if got := get(t, db, k); got != v {
			t.Errorf("%s is %q, want %q", k, got, v)
		}
	}
	wantFile(t, dir, file(old), true)
	if b, err := db.Body(t.Context(), "body"); err != nil || len(b) != inlineMax {
		t.Errorf("the body has %d octets, %v", len(b), err)
	}
	if _, err := db.Body(t.Context(), "more"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a body of a failed closure: %v", err)
	}
	mustClose(t, db)
	checkPages(t, dir)
}

func TestAnUpdateThatWroteNothingCommitsNothing(t *testing.T) {
	d := &disk{}
	db := mustOpen(t, Options{Dir: t.TempDir(), Create: true, journal: d.hooks()})
	d.syncs = 0
	for range 3 {
		if err := db.Update(t.Context(), func(tx store.Tx) error {
			_, _ = storetest.Records(tx).Get("a")
			return storetest.Records(tx).Delete("a")
		}); err != nil {
			t.Error(err)
		}
	}
	if d.syncs != 0 {
		t.Errorf("%d commits", d.syncs)
	}
	mustPut(t, db, "a", "1")
	if d.syncs != 1 {
		t.Errorf("a lone update took %d commits", d.syncs)
	}
}

func TestAContextThatEndsInTheQueueRunsNothing(t *testing.T) {
	db := mustOpen(t, Options{Dir: t.TempDir(), Create: true})
	ctx, cancel := context.WithCancel(t.Context())
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Update(context.Background(), func(store.Tx) error { close(running); <-release; return nil })
	})
	<-running
	var ran atomic.Bool
	var err error
	wg.Go(func() { err = db.Update(ctx, func(store.Tx) error { ran.Store(true); return nil }) })
	for len(db.calls) < 1 {
		runtime.Gosched()
	}
	cancel()
	close(release)
	wg.Wait()
	if !errors.Is(err, context.Canceled) || ran.Load() {
		t.Errorf("Update = %v, ran %t", err, ran.Load())
	}
}

// t.FailNow ends the goroutine it is called in; in a closure that is ours.
func TestAClosureThatEndsItsGoroutineEndsNothingElse(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true})
	for range 3 {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			_ = storetest.Records(tx).Put("k", []byte("new"))
			runtime.Goexit()
			return nil
		})
		if !errors.Is(err, store.ErrAborted) {
			t.Errorf("Update = %v", err)
		}
	}
	mustPut(t, db, "next", "1")
	if got := get(t, db, "k"); got != "-" {
		t.Errorf("it left %q", got)
	}
	mustClose(t, db)
}

func TestAScanRefusesWrites(t *testing.T) {
	db := mustOpen(t, Options{Dir: t.TempDir(), Create: true})
	mustPut(t, db, "a", "1")
	err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(storetest.Records(tx).Scan(store.Range{}, func(k string, _ []byte) error {
			return storetest.Records(tx).Scan(store.Range{}, func(string, []byte) error {
				return storetest.Records(tx).Delete(k)
			})
		}), storetest.Records(tx).Put("b", nil))
	})
	if !errors.Is(err, errScanning) {
		t.Errorf("Update = %v", err)
	}
}
