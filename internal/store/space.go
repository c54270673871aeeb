package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Space is a set of key prefixes that one package reads and writes. The package
// keeps it in an unexported variable:
//
//	var records = store.NewSpace("mail/", "state/")
//
// A transaction has no other way to a record, so nobody else can touch them.
type Space struct{ prefixes []string }

// spaces are the prefixes that have an owner.
var spaces struct {
	sync.Mutex
	taken []string
}

// NewSpace returns the space of these prefixes. It is called while the program
// starts and panics when one of them overlaps a prefix that has an owner.
func NewSpace(prefixes ...string) Space {
	spaces.Lock()
	defer spaces.Unlock()
	for _, p := range prefixes {
		for _, other := range spaces.taken {
			if strings.HasPrefix(p, other) || strings.HasPrefix(other, p) {
				panic(fmt.Sprintf("store: the prefixes %q and %q overlap", p, other))
			}
		}
		spaces.taken = append(spaces.taken, p)
	}
	return Space{slices.Clone(prefixes)}
}

// owns returns an error unless key begins with a prefix of the space.
func (s Space) owns(key string) error {
	for _, p := range s.prefixes {
		if strings.HasPrefix(key, p) {
			return nil
		}
	}
	return fmt.Errorf("store: %.80q is outside of the space %q", key, s.prefixes)
}

// Get returns the value of key, or ErrNotFound.
func (s Space) Get(tx Tx, key string) ([]byte, error) {
	if err := s.owns(key); err != nil {
		return nil, err
	}
	return tx.records.Get(key)
}

// Put sets the value of key.
func (s Space) Put(tx Tx, key string, value []byte) error {
	if err := s.owns(key); err != nil {
		return err
	}
	return tx.records.Put(key, value)
}

// Delete removes key; a key that is not there is no error.
func (s Space) Delete(tx Tx, key string) error {
	if err := s.owns(key); err != nil {
		return err
	}
	return tx.records.Delete(key)
}

// Scan calls fn for every key in r in order. It ends early, without an error,
// when fn returns Stop. fn must not write. r lies below one prefix of the space.
func (s Space) Scan(tx Tx, r Range, fn func(key string, value []byte) error) error {
	for _, p := range s.prefixes {
		whole := Prefix(p)
		if r.From >= whole.From && (whole.To == "" || r.To != "" && r.To <= whole.To) {
			return tx.records.Scan(r, fn)
		}
	}
	return fmt.Errorf("store: the range %.80q to %.80q is outside of the space %q", r.From, r.To, s.prefixes)
}

// Stamp writes a time, to the millisecond, so that keys sort by it: 16 digits.
func Stamp(t time.Time) string { return fmt.Sprintf("%016x", max(t.UnixMilli(), 0)) }

// Before lists up to limit keys of an index by time, which have a Stamp behind the prefix,
// of the times before t: oldest first, behind a key that an earlier call returned last.
func (s Space) Before(tx Tx, prefix string, t time.Time, cursor string, limit int) (keys []string, err error) {
	r := Range{From: prefix, To: prefix + Stamp(t)}
	if cursor > r.From {
		r.From = cursor + "\x00"
	}
	if r.From >= r.To {
		return nil, nil
	}
	err = s.Scan(tx, r, func(key string, _ []byte) error {
		if len(keys) >= limit {
			return Stop
		}
		keys = append(keys, key)
		return nil
	})
	return keys, err
}

// PutBody puts a staged body in force together with the transaction.
func (s Space) PutBody(tx Tx, b Staged) error {
	if err := s.owns(b.Key); err != nil {
		return err
	}
	return tx.records.PutBody(b)
}

// DeleteBody removes a body; one that is not there is no error.
func (s Space) DeleteBody(tx Tx, key string) error {
	if err := s.owns(key); err != nil {
		return err
	}
	return tx.records.DeleteBody(key)
}
