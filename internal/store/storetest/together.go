package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/multimail/multimail/internal/store"
)

const (
	workers = 16
	rounds  = 25
)

// together runs fn on many goroutines and reports what they return.
func together(t *testing.T, fn func(worker int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() { errs[w] = fn(w) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func number(tx store.Tx, key string) (int, error) {
	b, err := Records(tx).Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

func add(tx store.Tx, key string, n int) error {
	old, err := number(tx, key)
	if err != nil {
		return err
	}
	return Records(tx).Put(key, []byte(strconv.Itoa(old+n)))
}

func counters(t *testing.T, db store.Store) {
	together(t, func(w int) error {
		for range rounds {
			err := db.Update(context.Background(), func(tx store.Tx) error {
				return errors.Join(add(tx, "all", 1), add(tx, fmt.Sprintf("worker/%02d", w), 1))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if got := read(t, db, "all"); got != strconv.Itoa(workers*rounds) {
		t.Errorf("the common counter is %s, want %d", got, workers*rounds)
	}
	for w := range workers {
		if got := read(t, db, fmt.Sprintf("worker/%02d", w)); got != strconv.Itoa(rounds) {
			t.Errorf("the counter of worker %d is %s, want %d", w, got, rounds)
		}
	}
}

// writeSkew lets every worker take from one of two accounts as long as both
// together allow it. Snapshot isolation alone would overdraw them.
func writeSkew(t *testing.T, db store.Store) {
	const start = 40
	put(t, db, "account/0", strconv.Itoa(start), "account/1", strconv.Itoa(start))
	together(t, func(w int) error {
		for range rounds {
			err := db.Update(context.Background(), func(tx store.Tx) error {
				a, err := number(tx, "account/0")
				b, err2 := number(tx, "account/1")
				if err := errors.Join(err, err2); err != nil || a+b < 1 {
					return err
				}
				return errors.Join(add(tx, fmt.Sprintf("account/%d", w%2), -1), add(tx, "taken", 1))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if got := read(t, db, "taken"); got != strconv.Itoa(2*start) {
		t.Errorf("%s were taken of %d", got, 2*start)
	}
}

// neighbours lets half of the workers fail, after writes to keys that the
// others use too.
func neighbours(t *testing.T, db store.Store) {
	together(t, func(w int) error {
		for i := range rounds {
			err := db.Update(context.Background(), func(tx store.Tx) error {
				if err := errors.Join(add(tx, "all", 1), Records(tx).Put(fmt.Sprintf("own/%02d/%02d", w, i), nil)); err != nil {
					return err
				}
				switch w % 4 {
				case 1:
					return errTest
				case 3:
					panic("on purpose")
				}
				return nil
			})
			if want := w%2 == 0; (err == nil) != want {
				return fmt.Errorf("worker %d: %w", w, err)
			}
		}
		return nil
	})
	if got := read(t, db, "all"); got != strconv.Itoa(workers/2*rounds) {
		t.Errorf("the counter is %s, want %d", got, workers/2*rounds)
	}
	for w := range workers {
		want := rounds * (1 - w%2)
		if got := len(scan(t, db, store.Prefix(fmt.Sprintf("own/%02d/", w)))); got != want {
			t.Errorf("worker %d left %d keys, want %d", w, got, want)
		}
	}
}

func durable(t *testing.T, open func(*testing.T) store.Store) {
	big := pattern(200<<10, 1)
	db := open(t)
	put(t, db, "a", "1", "gone", "2")
	putBody(t, db, "small", []byte("small"))
	putBody(t, db, "big", big)
	putBody(t, db, "gone", big)
	update(t, db, func(tx store.Tx) error {
		return errors.Join(Records(tx).Delete("gone"), Records(tx).DeleteBody("gone"))
	})
	stage(t, db, "staged only", big)
	closeStore(t, db)

	db = open(t)
	defer closeStore(t, db)
	same(t, "after opening again", scan(t, db, store.Range{}), []string{"a=1"})
	wantBody(t, db, "small", []byte("small"))
	wantBody(t, db, "big", big)
	wantBody(t, db, "gone", nil)
	wantBody(t, db, "staged only", nil)
}

// closing closes the store under load: nil must mean stored, an error not.
func closing(t *testing.T, open func(*testing.T) store.Store) {
	db := open(t)
	var mu sync.Mutex
	answers := map[string]bool{}
	begun := make(chan struct{}, workers*1000)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%02d/%05d", w, i)
				err := db.Update(context.Background(), func(tx store.Tx) error { return Records(tx).Put(key, nil) })
				if err != nil && !errors.Is(err, store.ErrClosed) {
					t.Errorf("Update while closing: %v", err)
				}
				mu.Lock()
				answers[key] = err == nil
				mu.Unlock()
				if err != nil {
					return
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 3 * workers {
		<-begun
	}
	closeStore(t, db)
	wg.Wait()

	db = open(t)
	defer closeStore(t, db)
	for key, stored := range answers {
		if got := read(t, db, key) != "-"; got != stored {
			t.Errorf("%s: stored %t, the answer was %t", key, got, stored)
		}
	}
}

func closedStore(t *testing.T, open func(*testing.T) store.Store) {
	db := open(t)
	put(t, db, "a", "1")
	closeStore(t, db)
	closeStore(t, db)
	ctx, nothing := context.Background(), func(store.Tx) error { return nil }
	_, body := db.Body(ctx, "a")
	_, staged := db.Stage(ctx, "a", pattern(100<<10, 1))
	for what, err := range map[string]error{
		"Update": db.Update(ctx, nothing), "View": db.View(ctx, nothing), "Healthy": db.Healthy(), "Body": body,
		"Stage": staged,
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}
