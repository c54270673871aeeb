package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/multimail/multimail/internal/store"
)

// pattern returns n octets, all values among them.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed*31)
	}
	return b
}

func bodies(t *testing.T, db store.Store) {
	sizes := []int{0, 1, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20}
	for _, n := range sizes {
		key, body := fmt.Sprintf("body/%d", n), pattern(n, n)
		s := stage(t, db, key, body)
		for i := range body {
			body[i] = 0 // the caller's own again
		}
		update(t, db, func(tx store.Tx) error { return Records(tx).PutBody(s) })
	}
	for _, n := range sizes {
		wantBody(t, db, fmt.Sprintf("body/%d", n), pattern(n, n))
	}
	// Inside a closure there is no staging, whatever the size.
	for _, n := range []int{10, 100 << 10} {
		update(t, db, func(tx store.Tx) error { return Records(tx).PutBody(store.Inline("inline", pattern(n, 2))) })
		wantBody(t, db, "inline", pattern(n, 2))
	}
	wantBody(t, db, "never", nil)
}

func atomicBody(t *testing.T, db store.Store) {
	for _, n := range []int{100, 100 << 10} {
		old, kept, fresh := fmt.Sprintf("old/%d", n), fmt.Sprintf("kept/%d", n), fmt.Sprintf("fresh/%d", n)
		putBody(t, db, old, pattern(n, 1))
		putBody(t, db, kept, pattern(n, 2))
		first, second := stage(t, db, fresh, pattern(n, 3)), stage(t, db, old, pattern(n, 4))
		change := func(end error) func(store.Tx) error {
			return func(tx store.Tx) error {
				return errors.Join(Records(tx).Put("record/"+fresh, nil), Records(tx).PutBody(first), Records(tx).PutBody(second),
					Records(tx).DeleteBody(kept), end)
			}
		}
		wantBody(t, db, fresh, nil)
		if err := db.Update(context.Background(), change(errTest)); !errors.Is(err, errTest) {
			t.Fatal(err)
		}
		wantBody(t, db, old, pattern(n, 1))
		wantBody(t, db, kept, pattern(n, 2))
		wantBody(t, db, fresh, nil)
		if got := read(t, db, "record/"+fresh); got != "-" {
			t.Errorf("the record of a failed transaction is %q", got)
		}
		// A closure may run again with what was staged for the first run.
		update(t, db, change(nil))
		wantBody(t, db, old, pattern(n, 4))
		wantBody(t, db, kept, nil)
		wantBody(t, db, fresh, pattern(n, 3))
		if got := read(t, db, "record/"+fresh); got != "" {
			t.Errorf("the record beside the body is %q", got)
		}
	}
}

func changedBody(t *testing.T, db store.Store) {
	for _, n := range []int{100, 100 << 10} {
		key := fmt.Sprintf("body/%d", n)
		first, second := stage(t, db, key, pattern(n, 1)), stage(t, db, key, pattern(n, 2))
		steps := []struct {
			name string
			fn   func(tx store.Tx) error
			want []byte
		}{
			{"put", func(tx store.Tx) error { return Records(tx).PutBody(first) }, pattern(n, 1)},
			{"put again", func(tx store.Tx) error { return Records(tx).PutBody(first) }, pattern(n, 1)},
			{"delete and put", func(tx store.Tx) error {
				return errors.Join(Records(tx).DeleteBody(key), Records(tx).PutBody(first))
			}, pattern(n, 1)},
			{"replace and go back", func(tx store.Tx) error {
				return errors.Join(Records(tx).PutBody(second), Records(tx).PutBody(first))
			}, pattern(n, 1)},
			{"delete a missing one", func(tx store.Tx) error { return Records(tx).DeleteBody("missing") }, pattern(n, 1)},
			{"delete", func(tx store.Tx) error { return Records(tx).DeleteBody(key) }, nil},
			{"put in place of nothing", func(tx store.Tx) error {
				return Records(tx).PutBody(store.Inline(key, pattern(n, 3)))
			}, pattern(n, 3)},
			{"put and delete", func(tx store.Tx) error {
				return errors.Join(Records(tx).PutBody(store.Inline(key, pattern(n, 4))), Records(tx).DeleteBody(key))
			}, nil},
		}
		for _, s := range steps {
			update(t, db, s.fn)
			t.Logf("%s, %d octets", s.name, n)
			wantBody(t, db, key, s.want)
		}
	}
}

// bodyRace replaces and deletes a body under readers.
func bodyRace(t *testing.T, db store.Store) {
	const key, n = "body", 70 << 10
	var over atomic.Bool
	replace := func(i int) error {
		s, err := db.Stage(context.Background(), key, pattern(n, i))
		if err != nil {
			return err
		}
		return db.Update(context.Background(), func(tx store.Tx) error {
			if i%5 == 4 {
				return Records(tx).DeleteBody(key)
			}
			return Records(tx).PutBody(s)
		})
	}
	together(t, func(w int) error {
		if w == 0 {
			defer over.Store(true)
			for i := range 40 {
				if err := replace(i); err != nil {
					return err
				}
			}
			return nil
		}
		for !over.Load() {
			b, err := db.Body(context.Background(), key)
			if err == nil && len(b) != n || err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("worker %d read %d octets: %w", w, len(b), err)
			}
		}
		return nil
	})
}

func bodiesAreNotRecords(t *testing.T, db store.Store) {
	put(t, db, "k", "record")
	putBody(t, db, "k", []byte("body"))
	same(t, "scan", scan(t, db, store.Range{}), []string{"k=record"})
	update(t, db, func(tx store.Tx) error { return Records(tx).Delete("k") })
	wantBody(t, db, "k", []byte("body"))
	put(t, db, "k", "again")
	update(t, db, func(tx store.Tx) error { return Records(tx).DeleteBody("k") })
	same(t, "scan", scan(t, db, store.Range{}), []string{"k=again"})
}
