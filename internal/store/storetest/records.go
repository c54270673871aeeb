package storetest

import (
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/internal/raw"
)

// Records returns what a transaction is made of: a test reads and damages what
// another package owns.
func Records(tx store.Tx) store.Records { return store.RecordsOf(tx, raw.Key{}) }
