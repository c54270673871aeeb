package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/store"
)

func order(t *testing.T, db store.Store) {
	// Sorted as octets; no collation, no folding, NUL and 0xff included.
	want := []string{"\x00", "\x00\x00", "\x01", "A", "B", "a", "a\x00", "a\x00b", "a/", "a/1", "a/10", "a/2", "aa", "b",
		"z", "\x7f", "ä", "\xc3\xa4\x00", "\xfe", "\xff", "\xff\xff"}
	shuffled := slices.Clone(want)
	for i := range shuffled {
		j := (i*7 + 3) % len(shuffled)
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	}
	for _, k := range shuffled {
		put(t, db, k, "v")
	}
	for i := range want {
		want[i] += "=v"
	}
	same(t, "all keys", scan(t, db, store.Range{}), want)
	slices.Reverse(want)
	same(t, "all keys backwards", scan(t, db, store.Range{Reverse: true}), want)
}

func ranges(t *testing.T, db store.Store) {
	put(t, db, "a", "1", "b", "2", "b/x", "3", "b/y", "4", "c", "5", "\xff\xff", "6")
	for _, c := range []struct {
		name string
		r    store.Range
		want string
	}{
		{"From is inside", store.Range{From: "b", To: "c"}, "b=2 b/x=3 b/y=4"},
		{"To is outside", store.Range{From: "a", To: "b"}, "a=1"},
		{"ends need not exist", store.Range{From: "aa", To: "b/xx"}, "b=2 b/x=3"},
		{"no lower end", store.Range{To: "b"}, "a=1"},
		{"no upper end", store.Range{From: "b/y"}, "b/y=4 c=5 \xff\xff=6"},
		{"prefix", store.Prefix("b/"), "b/x=3 b/y=4"},
		{"prefix of 0xff", store.Prefix("\xff"), "\xff\xff=6"},
		{"empty prefix", store.Prefix(""), "a=1 b=2 b/x=3 b/y=4 c=5 \xff\xff=6"},
		{"prefix of nothing", store.Prefix("d"), ""},
		{"equal ends", store.Range{From: "b", To: "b"}, ""},
		{"ends the wrong way round", store.Range{From: "c", To: "a"}, ""},
		{"behind the last key", store.Range{From: "\xff\xff\xff"}, ""},
		{"before the first key", store.Range{To: "a"}, ""},
	} {
		want := strings.Fields(c.want)
		same(t, c.name, scan(t, db, c.r), want)
		slices.Reverse(want)
		c.r.Reverse = true
		same(t, c.name+", backwards", scan(t, db, c.r), want)
	}
}

func stop(t *testing.T, db store.Store) {
	put(t, db, "a", "1", "b", "2", "c", "3")
	for _, c := range []struct {
		fail, want error
	}{{store.Stop, nil}, {fmt.Errorf("wrapped: %w", store.Stop), nil}, {errTest, errTest}} {
		for _, reverse := range []bool{false, true} {
			seen := 0
			err := db.View(context.Background(), func(tx store.Tx) error {
				return Records(tx).Scan(store.Range{Reverse: reverse}, func(string, []byte) error {
					if seen++; seen == 2 {
						return c.fail
					}
					return nil
				})
			})
			if !errors.Is(err, c.want) || seen != 2 {
				t.Errorf("scan with %v: %v after %d keys, want %v after 2", c.fail, err, seen, c.want)
			}
		}
	}
}

func emptyValue(t *testing.T, db store.Store) {
	update(t, db, func(tx store.Tx) error {
		return errors.Join(Records(tx).Put("nil", nil), Records(tx).Put("empty", []byte{}))
	})
	same(t, "scan", scan(t, db, store.Range{}), []string{"empty=", "nil="})
	if read(t, db, "nil") != "" || read(t, db, "empty") != "" {
		t.Error("an empty value is not found")
	}
	// It survives a failure that overwrote it.
	_ = db.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(Records(tx).Put("nil", []byte("x")), Records(tx).Delete("empty"), errTest)
	})
	same(t, "scan after a failure", scan(t, db, store.Range{}), []string{"empty=", "nil="})
}

func missing(t *testing.T, db store.Store) {
	put(t, db, "b", "1")
	for _, key := range []string{"a", "b\x00", "c", ""} {
		if got := read(t, db, key); got != "-" {
			t.Errorf("Get(%q) = %q, want not found", key, got)
		}
	}
	update(t, db, func(tx store.Tx) error { return errors.Join(Records(tx).Delete("a"), Records(tx).Delete("c")) })
	same(t, "what is left", scan(t, db, store.Range{}), []string{"b=1"})
}

func emptyKey(t *testing.T, db store.Store) {
	err := db.Update(context.Background(), func(tx store.Tx) error {
		if err := Records(tx).Put("", []byte("x")); err == nil {
			return nil
		}
		return errTest
	})
	if !errors.Is(err, errTest) {
		t.Errorf("Put of an empty key: %v", err)
	}
}

func copies(t *testing.T, db store.Store) {
	mine := []byte("before")
	var got, scanned []byte
	update(t, db, func(tx store.Tx) (err error) {
		if err := Records(tx).Put("k", mine); err != nil {
			return err
		}
		copy(mine, "XXXXXX")
		got, err = Records(tx).Get("k")
		return err
	})
	if string(got) != "before" {
		t.Errorf("Get after the caller changed what it put = %q", got)
	}
	copy(mine, "YYYYYY")
	copy(got, "ZZZZZZ")
	view(t, db, func(tx store.Tx) error {
		return Records(tx).Scan(store.Range{}, func(_ string, v []byte) error {
			scanned = v
			copy(v, "scan")
			return nil
		})
	})
	if v := read(t, db, "k"); v != "before" {
		t.Errorf("stored value = %q after its copies were changed", v)
	}
	if string(scanned) != "scanre" {
		t.Errorf("the value of a scan is %q after its transaction", scanned)
	}
}
