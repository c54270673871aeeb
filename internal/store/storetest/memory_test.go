package storetest

import (
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// What tests are built on keeps the contract too.
func TestMemoryKeepsTheContract(t *testing.T) {
	last := map[*testing.T]*Memory{}
	Run(t, func(t *testing.T) store.Store {
		next := NewMemory(time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC))
		if before := last[t]; before != nil { // opened again
			next = before.Clone()
		}
		last[t] = next
		return next
	})
}
