package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
)

func ownWrites(t *testing.T, db store.Store) {
	put(t, db, "a", "1", "b", "2", "c", "3")
	var forward, backward []string
	update(t, db, func(tx store.Tx) error {
		err := errors.Join(putAll(tx, "b", "new", "bb", "4"), Records(tx).Delete("a"))
		if v, err := Records(tx).Get("b"); err != nil || string(v) != "new" {
			return fmt.Errorf("Get of an own write = %q, %w", v, err)
		}
		if _, err := Records(tx).Get("a"); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("Get of an own delete: %w", err)
		}
		var err2, err3 error
		forward, err2 = list(tx, store.Range{})
		backward, err3 = list(tx, store.Range{Reverse: true})
		return errors.Join(err, err2, err3)
	})
	same(t, "scan in the transaction", forward, []string{"b=new", "bb=4", "c=3"})
	same(t, "scan backwards", backward, []string{"c=3", "bb=4", "b=new"})
	same(t, "scan after it", scan(t, db, store.Range{}), forward)
}

func readOnly(t *testing.T, db store.Store) {
	put(t, db, "a", "1")
	for name, fn := range map[string]func(store.Tx) error{
		"Put":              func(tx store.Tx) error { return Records(tx).Put("a", []byte("2")) },
		"Delete":           func(tx store.Tx) error { return Records(tx).Delete("a") },
		"Delete a missing": func(tx store.Tx) error { return Records(tx).Delete("b") },
		"PutBody":          func(tx store.Tx) error { return Records(tx).PutBody(store.Inline("a", []byte("x"))) },
		"DeleteBody":       func(tx store.Tx) error { return Records(tx).DeleteBody("a") },
	} {
		if err := db.View(context.Background(), fn); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s in a view: %v", name, err)
		}
	}
	same(t, "after that", scan(t, db, store.Range{}), []string{"a=1"})
	wantBody(t, db, "a", nil)
}

func snapshot(t *testing.T, db store.Store) {
	put(t, db, "a", "old", "b", "old")
	err := db.View(context.Background(), func(tx store.Tx) error {
		a, err := Records(tx).Get("a")
		if err != nil {
			return err
		}
		done := make(chan error)
		go func() {
			done <- db.Update(context.Background(), func(tx store.Tx) error {
				return putAll(tx, "a", "new", "b", "new", "c", "new")
			})
		}()
		if err := <-done; err != nil {
			return err
		}
		b, err := Records(tx).Get("b")
		if err != nil {
			return err
		}
		all, err := list(tx, store.Range{})
		same(t, "the view", append(all, string(a), string(b)), []string{"a=old", "b=old", "old", "old"})
		return err
	})
	if err != nil {
		t.Errorf("View: %v", err)
	}
	same(t, "a later view", scan(t, db, store.Range{}), []string{"a=new", "b=new", "c=new"})
}

func afterCommit(t *testing.T, db store.Store) {
	ran := make(chan string, 10)
	update(t, db, func(tx store.Tx) error {
		tx.AfterCommit(func() { ran <- "first" })
		tx.AfterCommit(func() { panic("of no consequence") })
		tx.AfterCommit(func() { ran <- "second" })
		return Records(tx).Put("a", []byte("1"))
	})
	failed := errors.New("failed")
	err := db.Update(context.Background(), func(tx store.Tx) error {
		tx.AfterCommit(func() { ran <- "of a failed transaction" })
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("Update: %v", err)
	}
	view(t, db, func(tx store.Tx) error {
		tx.AfterCommit(func() { ran <- "of a view" })
		return nil
	})
	update(t, db, func(tx store.Tx) error { return Records(tx).Put("a", []byte("2")) })
	close(ran)
	var got []string
	for s := range ran {
		got = append(got, s)
	}
	same(t, "after the commits", got, []string{"first", "second"})
}

func over(t *testing.T, db store.Store) {
	put(t, db, "a", "1")
	var kept []store.Tx
	keep := func(tx store.Tx) error { kept = append(kept, tx); return nil }
	view(t, db, keep)
	update(t, db, keep)
	_ = db.Update(context.Background(), func(tx store.Tx) error { return errors.Join(keep(tx), errTest) })
	for i, tx := range kept {
		if v, err := Records(tx).Get("a"); err == nil {
			t.Errorf("transaction %d: Get = %q after its end", i, v)
		}
		if err := Records(tx).Put("a", []byte("2")); err == nil {
			t.Errorf("transaction %d: Put after its end", i)
		}
		if err := Records(tx).Scan(store.Range{}, func(string, []byte) error { return nil }); err == nil {
			t.Errorf("transaction %d: Scan after its end", i)
		}
	}
	same(t, "after that", scan(t, db, store.Range{}), []string{"a=1"})
}

func clock(t *testing.T, db store.Store) {
	check := func(tx store.Tx) error {
		first := tx.Now()
		_ = Records(tx).Scan(store.Range{}, func(string, []byte) error { return nil })
		if first.IsZero() || !tx.Now().Equal(first) {
			return fmt.Errorf("Now is %v, then %v", first, tx.Now())
		}
		return nil
	}
	view(t, db, check)
	update(t, db, check)
	// A deadline written by one transaction can be judged by the next.
	var written time.Time
	update(t, db, func(tx store.Tx) error { written = tx.Now(); return nil })
	update(t, db, func(tx store.Tx) error {
		if d := tx.Now().Sub(written); d < 0 || d > time.Hour {
			return fmt.Errorf("the clock went by %v between two transactions", d)
		}
		return nil
	})
}

func failed(t *testing.T, db store.Store) {
	put(t, db, "a", "1")
	err := db.Update(context.Background(), func(tx store.Tx) error {
		if err := putAll(tx, "a", "2", "b", "2"); err != nil {
			return err
		}
		return errTest
	})
	if err != errTest { //nolint:errorlint // "returned as it is"
		t.Errorf("Update = %v, want the closure's own error", err)
	}
	same(t, "after the failure", scan(t, db, store.Range{}), []string{"a=1"})
	//nolint:errorlint // as above
	if err := db.View(context.Background(), func(store.Tx) error { return errTest }); err != errTest {
		t.Errorf("View = %v, want the closure's own error", err)
	}
	put(t, db, "c", "3")
	same(t, "after the next update", scan(t, db, store.Range{}), []string{"a=1", "c=3"})
}

func restored(t *testing.T, db store.Store) {
	put(t, db, "a", "1", "b", "2", "c", "3")
	_ = db.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(
			putAll(tx, "a", "x", "a", "y"), Records(tx).Delete("a"), Records(tx).Put("a", []byte("z")),
			Records(tx).Delete("b"), Records(tx).Delete("b"), Records(tx).Put("b", []byte("x")), Records(tx).Delete("b"),
			Records(tx).Put("new", []byte("x")), Records(tx).Delete("new"), Records(tx).Put("new", []byte("y")),
			errTest)
	})
	same(t, "after the failure", scan(t, db, store.Range{}), []string{"a=1", "b=2", "c=3"})
}

func panics(t *testing.T, db store.Store) {
	put(t, db, "a", "1")
	for _, run := range []func(context.Context, func(store.Tx) error) error{db.Update, db.View} {
		err := run(context.Background(), func(tx store.Tx) error {
			_ = Records(tx).Put("a", []byte("2"))
			var none map[string]int
			none["x"] = 1
			return nil
		})
		if err == nil {
			t.Error("a closure panicked and nobody heard")
		}
	}
	same(t, "after the panics", scan(t, db, store.Range{}), []string{"a=1"})
	put(t, db, "b", "2")
}

func cancelled(t *testing.T, db store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ran := func(tx store.Tx) error { t.Error("the closure ran"); return nil }
	if err := db.Update(ctx, ran); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
	if err := db.View(ctx, ran); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v", err)
	}
	if _, err := db.Stage(ctx, "k", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Stage: %v", err)
	}
}
