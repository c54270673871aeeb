package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
)

var apples = store.NewSpace("apple/", "pip")

func TestASpaceReachesItsOwnKeysOnly(t *testing.T) {
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	none := func(string, []byte) error { return nil }
	err = db.Update(t.Context(), func(tx store.Tx) error {
		for _, key := range []string{"apple/1", "pip", "pip/2"} {
			if err := apples.Put(tx, key, []byte(key)); err != nil {
				t.Errorf("%q: %v", key, err)
			}
			if b, err := apples.Get(tx, key); err != nil || string(b) != key {
				t.Errorf("%q: %q, %v", key, b, err)
			}
		}
		for _, key := range []string{"", "apple", "applf/", "pear/1", "Apple/1"} {
			_, err := apples.Get(tx, key)
			for op, err := range map[string]error{
				"get": err, "put": apples.Put(tx, key, nil), "delete": apples.Delete(tx, key),
				"put body": apples.PutBody(tx, store.Inline(key, nil)), "delete body": apples.DeleteBody(tx, key),
			} {
				if err == nil || !strings.Contains(err.Error(), "outside of the space") {
					t.Errorf("%s of %q: %v", op, key, err)
				}
			}
		}
		for _, r := range []store.Range{store.Prefix("apple/"), store.Prefix("apple/1"), {From: "pip", To: "piq"}} {
			if err := apples.Scan(tx, r, none); err != nil {
				t.Errorf("%+v: %v", r, err)
			}
		}
		for _, r := range []store.Range{
			{}, {From: "apple/"}, store.Prefix("a"), {From: "apple/", To: "pip"}, {From: "aa", To: "apple/9"},
		} {
			if err := apples.Scan(tx, r, none); err == nil || !strings.Contains(err.Error(), "outside of the space") {
				t.Errorf("%+v: %v", r, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAKeyHasOneOwner(t *testing.T) {
	for _, p := range []string{"", "a", "apple/", "apple/red/", "pi", "pipe"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was given away twice", p)
				}
			}()
			store.NewSpace(p)
		}()
	}
}

func TestAnIndexByTimeIsReadInPages(t *testing.T) {
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	base := time.UnixMilli(1_790_000_000_000)
	err = db.Update(t.Context(), func(tx store.Tx) error {
		for _, ms := range []int{0, 1, 1, 2, 3} { // two of them of the same time
			at := base.Add(time.Duration(ms) * time.Millisecond)
			for n := range 2 {
				if err := apples.Put(tx, fmt.Sprintf("apple/%s/%d", store.Stamp(at), n), nil); err != nil {
					return err
				}
			}
		}
		for limit, want := range map[int]int{1: 6, 4: 6, 100: 6, 0: 0} {
			got, cursor := 0, ""
			for {
				page, err := apples.Before(tx, "apple/", base.Add(3*time.Millisecond), cursor, limit)
				if err != nil || len(page) > limit || !slices.IsSorted(page) || len(page) > 0 && page[0] <= cursor {
					t.Fatalf("limit %d behind %q: %q, %v", limit, cursor, page, err)
				}
				if len(page) == 0 {
					break
				}
				got, cursor = got+len(page), page[len(page)-1]
			}
			if got != want {
				t.Errorf("limit %d: %d keys, want %d", limit, got, want)
			}
		}
		last := "apple/" + store.Stamp(base.Add(time.Hour))
		if page, err := apples.Before(tx, "apple/", base, last, 9); err != nil || len(page) != 0 {
			t.Errorf("behind the end: %q, %v", page, err)
		}
		if _, err := apples.Before(tx, "pear/", base, "", 9); err == nil {
			t.Error("a space of somebody else is read")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
