// Package storetest is the contract of a store as tests. Every backend runs
// them and adds what is special to itself:
//
//	func TestContract(t *testing.T) { storetest.Run(t, open) }
//
// open returns the store that belongs to t. When a test closes it and calls
// open again, the same data must be there.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/multimail/multimail/internal/store"
)

// Run tests a backend against the contract of package store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, db store.Store)
	}{
		{"keys come in the order of their octets", order},
		{"a range holds what lies between its ends", ranges},
		{"a scan ends at Stop and at an error", stop},
		{"an empty value is a value", emptyValue},
		{"a missing key is not found and may be deleted", missing},
		{"a key must not be empty", emptyKey},
		{"values belong to the caller", copies},
		{"a transaction sees its own writes", ownWrites},
		{"random changes agree with a sorted map", model},
		{"a scan crosses what its transaction emptied", emptied},
		{"a view cannot write", readOnly},
		{"a view sees one moment", snapshot},
		{"what waits for the commit runs after it", afterCommit},
		{"a transaction that is over answers with errors", over},
		{"the clock stands still in a transaction", clock},
		{"a failed closure leaves nothing", failed},
		{"a failed closure restores what it changed", restored},
		{"a panic is an error and leaves nothing", panics},
		{"a failure does not touch its neighbours", neighbours},
		{"a cancelled context runs nothing", cancelled},
		{"counters from many goroutines end exact", counters},
		{"transactions are serializable", writeSkew},
		{"bodies of all sizes come back", bodies},
		{"a body is in force with its transaction", atomicBody},
		{"a body can be replaced, put again and deleted", changedBody},
		{"a reader of a body never sees a half one", bodyRace},
		{"bodies are not records", bodiesAreNotRecords},
		{"a new store is healthy", healthy},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t)
			t.Cleanup(func() { closeStore(t, db) })
			c.test(t, db)
		})
	}
	t.Run("what was acknowledged is there after Close", func(t *testing.T) { durable(t, open) })
	t.Run("Close answers every update", func(t *testing.T) { closing(t, open) })
	t.Run("a closed store says so", func(t *testing.T) { closedStore(t, open) })
}

var errTest = errors.New("storetest: on purpose")

func closeStore(t *testing.T, db store.Store) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func update(t *testing.T, db store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, db store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := db.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// put puts pairs of key and value.
func put(t *testing.T, db store.Store, pairs ...string) {
	t.Helper()
	update(t, db, func(tx store.Tx) error { return putAll(tx, pairs...) })
}

func putAll(tx store.Tx, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := Records(tx).Put(pairs[i], []byte(pairs[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// read returns the value of a key outside any other transaction, "-" for none.
func read(t *testing.T, db store.Store, key string) (value string) {
	t.Helper()
	view(t, db, func(tx store.Tx) error {
		b, err := Records(tx).Get(key)
		if value = string(b); errors.Is(err, store.ErrNotFound) {
			value, err = "-", nil
		}
		return err
	})
	return value
}

// list returns "key=value" for all that a scan visits.
func list(tx store.Tx, r store.Range) (out []string, err error) {
	err = Records(tx).Scan(r, func(k string, v []byte) error {
		out = append(out, k+"="+string(v))
		return nil
	})
	return out, err
}

func scan(t *testing.T, db store.Store, r store.Range) (out []string) {
	t.Helper()
	view(t, db, func(tx store.Tx) (err error) {
		out, err = list(tx, r)
		return err
	})
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// putBody stages a body and puts it.
func putBody(t *testing.T, db store.Store, key string, body []byte) {
	t.Helper()
	s := stage(t, db, key, body)
	update(t, db, func(tx store.Tx) error { return Records(tx).PutBody(s) })
}

func stage(t *testing.T, db store.Store, key string, body []byte) store.Staged {
	t.Helper()
	s, err := db.Stage(context.Background(), key, body)
	if err != nil {
		t.Fatalf("Stage(%s): %v", key, err)
	}
	if s.Key != key || s.Size != int64(len(body)) {
		t.Errorf("Stage(%s) of %d octets says %s of %d", key, len(body), s.Key, s.Size)
	}
	return s
}

// wantBody compares a body; nil means that there must be none.
func wantBody(t *testing.T, db store.Store, key string, want []byte) {
	t.Helper()
	got, err := db.Body(context.Background(), key)
	switch {
	case want == nil && !errors.Is(err, store.ErrNotFound):
		t.Errorf("Body(%s) = %d octets, %v, want not found", key, len(got), err)
	case want != nil && err != nil:
		t.Errorf("Body(%s): %v", key, err)
	case want != nil && !bytes.Equal(got, want):
		t.Errorf("Body(%s) = %d octets that differ from the %d stored", key, len(got), len(want))
	}
}

func healthy(t *testing.T, db store.Store) {
	if err := db.Healthy(); err != nil {
		t.Errorf("Healthy: %v", err)
	}
}
