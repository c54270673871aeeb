package storetest

import (
	"context"

	"github.com/multimail/multimail/internal/store"
)

// Watched is a store that reports what its views read.
type Watched struct {
	store.Store
	Read func(key string) // a record, or where a scan begins
}

// View runs fn on a transaction that reports its reads.
func (w Watched) View(ctx context.Context, fn func(store.Tx) error) error {
	return w.Store.View(ctx, func(tx store.Tx) error { return fn(store.NewTx(watchedTx{Records(tx), w.Read})) })
}

type watchedTx struct {
	store.Records
	read func(key string)
}

func (w watchedTx) Get(key string) ([]byte, error) {
	w.read(key)
	return w.Records.Get(key)
}

func (w watchedTx) Scan(r store.Range, fn func(string, []byte) error) error {
	w.read(r.From)
	return w.Records.Scan(r, func(key string, value []byte) error {
		w.read(key)
		return fn(key, value)
	})
}
