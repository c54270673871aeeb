package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/multimail/multimail/internal/store"
)

// sorted is what a store should be: a map whose keys have an order.
type sorted map[string]string

func (m sorted) list(r store.Range) (out []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= r.From && (r.To == "" || k < r.To) {
			out = append(out, k+"="+m[k])
		}
	}
	if r.Reverse {
		slices.Reverse(out)
	}
	return out
}

// model makes random changes to a store and to a map, some of them in
// transactions that fail, and compares what both say on the way.
func model(t *testing.T, db store.Store) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		want := sorted{}
		for _, kv := range scan(t, db, store.Range{}) {
			want[kv[:5]] = kv[6:]
		}
		for range 12 {
			next := maps.Clone(want)
			fails := rnd.IntN(3) == 0
			err := db.Update(context.Background(), func(tx store.Tx) error {
				if err := changes(tx, next, rnd); err != nil {
					return err
				}
				if fails {
					return errTest
				}
				return nil
			})
			if fails != errors.Is(err, errTest) || !fails && err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if !fails {
				want = next
			}
			same(t, fmt.Sprintf("seed %d", seed), scan(t, db, store.Range{}), want.list(store.Range{}))
		}
	}
}

// changes makes changes, single ones and whole stretches, and looks at a random
// range after each.
func changes(tx store.Tx, want sorted, rnd *rand.Rand) error {
	key := func() string { return fmt.Sprintf("%05d", rnd.IntN(3000)) }
	for range 1 + rnd.IntN(6) {
		from := rnd.IntN(3000)
		length := []int{1, 10, 600}[rnd.IntN(3)]
		remove := rnd.IntN(2) == 0
		value := string(pattern(rnd.IntN(300), from))
		for i := from; i < from+length; i++ {
			k := fmt.Sprintf("%05d", i)
			var err error
			if remove {
				delete(want, k)
				err = Records(tx).Delete(k)
			} else {
				want[k] = value
				err = Records(tx).Put(k, []byte(value))
			}
			if err != nil {
				return err
			}
		}
		r := store.Range{From: key(), To: key(), Reverse: rnd.IntN(2) == 0}
		if rnd.IntN(3) == 0 {
			r.To = ""
		}
		got, err := list(tx, r)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want.list(r)) {
			return fmt.Errorf("scan %+v of %d keys saw %d, want %d", r, len(want), len(got), len(want.list(r)))
		}
	}
	return nil
}

// emptied deletes stretches that fill whole pages of any store and walks over
// them, in both directions, before the transaction ends.
func emptied(t *testing.T, db store.Store) {
	const n = 2000
	name := func(i int) string { return fmt.Sprintf("%05d", i) }
	for _, kept := range [][]int{{}, {0}, {n - 1}, {0, n - 1}, {n / 2}, {0, n / 2, n - 1}} {
		update(t, db, func(tx store.Tx) error {
			for i := range n {
				if err := Records(tx).Put(name(i), []byte("0123456789012345678901234567890123456789")); err != nil {
					return err
				}
			}
			return nil
		})
		var want []string
		for _, i := range kept {
			want = append(want, name(i))
		}
		var forward, backward []string
		update(t, db, func(tx store.Tx) error {
			for i := range n {
				if slices.Contains(kept, i) {
					continue
				}
				if err := Records(tx).Delete(name(i)); err != nil {
					return err
				}
			}
			forward, backward = nil, nil
			return errors.Join(
				Records(tx).Scan(store.Range{}, func(k string, _ []byte) error { forward = append(forward, k); return nil }),
				Records(tx).Scan(store.Range{Reverse: true}, func(k string, _ []byte) error {
					backward = append(backward, k)
					return nil
				}))
		})
		same(t, fmt.Sprintf("kept %v", kept), forward, want)
		slices.Reverse(want)
		same(t, fmt.Sprintf("kept %v, backwards", kept), backward, want)
	}
}
