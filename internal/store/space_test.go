package store_test

import (
	"strings"
	"testing"

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
