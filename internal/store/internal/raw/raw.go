// Package raw holds the key that opens a transaction to the packages below
// internal/store, and to no other: the compiler refuses the import elsewhere.
package raw

// Key is asked for by store.RecordsOf.
type Key struct{ _ int }
