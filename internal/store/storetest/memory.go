package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// ErrFault is what a call fails with that Memory was told to fail.
var ErrFault = errors.New("storetest: the disk is gone")

// Memory is a store in a map, for tests of what is kept in one. It keeps the
// contract of this package, and beyond it can be damaged and made to fail.
// Nothing but Store's methods may be used by two goroutines.
type Memory struct {
	Time  time.Time // what every transaction is told
	Fail  int       // which call of a transaction that writes fails with ErrFault, from 1; 0: none
	Twice bool      // every closure runs once in vain before it runs for good

	writing sync.Mutex // held by Update
	mu      sync.Mutex
	state   state // replaced as a whole, never changed
	closed  bool
}

var _ store.Store = (*Memory)(nil)

type state struct{ records, bodies map[string][]byte }

func (s state) clone() state { return state{maps.Clone(s.records), maps.Clone(s.bodies)} }

// NewMemory returns an empty store at a time.
func NewMemory(at time.Time) *Memory {
	return &Memory{Time: at, state: state{map[string][]byte{}, map[string][]byte{}}}
}

// Clone returns a store with the same records and bodies, changed without effect on m.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{Time: m.Time, state: m.state}
}

// All returns a copy of the records.
func (m *Memory) All() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.state.records)
}

// Edit lets a test change the records past everything that keeps them.
func (m *Memory) Edit(change func(records map[string][]byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.state.clone()
	change(next.records)
	m.state = next
}

// now returns the state in force.
func (m *Memory) now(ctx context.Context) (state, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return state{}, store.ErrClosed
	}
	return m.state, ctx.Err()
}

// View implements store.Store.
func (m *Memory) View(ctx context.Context, fn func(store.Tx) error) error {
	s, err := m.now(ctx)
	if err != nil {
		return err
	}
	return run(&memoryTx{state: s, time: m.Time}, fn)
}

// Update implements store.Store.
func (m *Memory) Update(ctx context.Context, fn func(store.Tx) error) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	s, err := m.now(ctx)
	if err != nil {
		return err
	}
	if m.Twice {
		if err := run(&memoryTx{state: s.clone(), time: m.Time, writes: true}, fn); err != nil {
			return err
		}
	}
	tx := &memoryTx{state: s.clone(), time: m.Time, writes: true, left: m.Fail}
	if err := run(tx, fn); err != nil {
		return err
	}
	m.mu.Lock()
	m.state = tx.state
	m.mu.Unlock()
	for _, after := range tx.after {
		// What it panics with changes nothing: the commit is in force.
		_ = safely(func() error { after(); return nil })
	}
	return nil
}

// run runs a closure and ends its transaction.
func run(tx *memoryTx, fn func(store.Tx) error) error {
	defer func() { tx.over = true }()
	return safely(func() error { return fn(store.NewTx(tx)) })
}

// safely makes an error of a panic.
func safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("storetest: panic: %v", p)
		}
	}()
	return fn()
}

// Stage implements store.Store: a staged body is in no state until it is put.
func (m *Memory) Stage(ctx context.Context, key string, body []byte) (store.Staged, error) {
	_, err := m.now(ctx)
	return store.Inline(key, slices.Clone(body)), err
}

// Discard implements store.Store.
func (m *Memory) Discard(store.Staged) {}

// Fits implements store.Store.
func (m *Memory) Fits(int64) error { return m.Healthy() }

// Healthy implements store.Store.
func (m *Memory) Healthy() error {
	_, err := m.now(context.Background())
	return err
}

// Body implements store.Store.
func (m *Memory) Body(ctx context.Context, key string) ([]byte, error) {
	s, err := m.now(ctx)
	if err != nil {
		return nil, err
	}
	return value(s.bodies, key)
}

// Close implements store.Store.
func (m *Memory) Close() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func value(from map[string][]byte, key string) ([]byte, error) {
	v, ok := from[key]
	if !ok {
		return nil, store.ErrNotFound
	}
	return slices.Clone(v), nil
}

// memoryTx is one transaction.
type memoryTx struct {
	state  state
	time   time.Time
	writes bool
	over   bool
	left   int // calls until the one that fails
	after  []func()
}

// call says why a call cannot be made.
func (tx *memoryTx) call(write bool) error {
	tx.left--
	switch {
	case tx.over:
		return errors.New("storetest: the transaction is over")
	case write && !tx.writes:
		return store.ErrReadOnly
	case tx.left == 0:
		return ErrFault
	}
	return nil
}

func (tx *memoryTx) Get(key string) ([]byte, error) {
	if err := tx.call(false); err != nil {
		return nil, err
	}
	return value(tx.state.records, key)
}

func (tx *memoryTx) Put(key string, v []byte) error {
	if err := tx.call(true); err != nil {
		return err
	}
	if key == "" {
		return errors.New("storetest: an empty key")
	}
	tx.state.records[key] = slices.Clone(v)
	return nil
}

func (tx *memoryTx) Delete(key string) error {
	if err := tx.call(true); err != nil {
		return err
	}
	delete(tx.state.records, key)
	return nil
}

func (tx *memoryTx) Scan(r store.Range, fn func(string, []byte) error) error {
	if err := tx.call(false); err != nil {
		return err
	}
	var keys []string
	for k := range tx.state.records {
		if k >= r.From && (r.To == "" || k < r.To) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if r.Reverse {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		switch err := fn(k, slices.Clone(tx.state.records[k])); {
		case errors.Is(err, store.Stop):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

func (tx *memoryTx) PutBody(s store.Staged) error {
	if err := tx.call(true); err != nil {
		return err
	}
	body, _ := s.Kept()
	tx.state.bodies[s.Key] = slices.Clone(body)
	return nil
}

func (tx *memoryTx) DeleteBody(key string) error {
	if err := tx.call(true); err != nil {
		return err
	}
	delete(tx.state.bodies, key)
	return nil
}

// AfterCommit keeps fn for an update; a view commits nothing.
func (tx *memoryTx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

func (tx *memoryTx) Now() time.Time { return tx.time }
