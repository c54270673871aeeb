package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/multimail/multimail/internal/store"
)

// maxBatch bounds how many updates share a commit, and a part of a segment how much they change
// together before the next ones wait for another.
const maxBatch = 256

// call is one update on its way through the committer.
type call struct {
	ctx  context.Context
	fn   func(store.Tx) error
	err  error
	done chan struct{}
}

// batch is the calls that share a commit.
type batch struct {
	calls   []*call
	changes []change
	octets  int64
	files   map[string]bool // body files these calls touch, and whether a record names them afterwards
	after   []func()        // asked for by AfterCommit
	err     error           // for every call that has no error of its own
}

// Update implements store.Store.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	return db.submit(&call{ctx: ctx, fn: fn, done: make(chan struct{})})
}

// submit waits for the outcome even when the context ends: from the moment the
// closure ran, only the commit knows it.
func (db *DB) submit(c *call) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	select {
	case <-db.closed:
		return store.ErrClosed
	default:
	}
	select {
	case db.calls <- c:
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-db.closed:
		return store.ErrClosed
	}
	select {
	case <-c.done:
		return c.err
	case <-db.closed:
	}
	// The committer finishes what it has taken and leaves the rest.
	db.done.Wait()
	select {
	case <-c.done:
		return c.err
	default:
		return store.ErrClosed
	}
}

// committer is the only writer of the journal.
func (db *DB) committer() {
	ended := false
	defer func() {
		// A closure ended the goroutine, as t.FailNow does. The others go on.
		if !ended {
			db.done.Go(db.committer)
		}
	}()
	for {
		var first *call
		select {
		case first = <-db.calls:
		case <-db.due:
			db.ageing = false
			if db.freeze(); db.state.Load().top.Len() > 0 {
				db.grows()
			}
			continue
		case <-db.closed:
			ended = true
			return
		}
		for rest := db.drain(first); len(rest) > 0; {
			rest = db.serve(rest)
		}
	}
}

// drain takes whatever waits, and waits for nothing. Those whom the commit
// before has just answered may run first: they often have the next update ready.
func (db *DB) drain(first *call) []*call {
	runtime.Gosched()
	calls := []*call{first}
	for len(calls) < maxBatch {
		select {
		case c := <-db.calls:
			calls = append(calls, c)
		default:
			return calls
		}
	}
	return calls
}

// serve commits a batch, answers its calls, and returns those that were too much for it.
func (db *DB) serve(calls []*call) (rest []*call) {
	b := &batch{calls: calls, files: map[string]bool{}}
	b.err = fmt.Errorf("%w: a closure ended its goroutine", store.ErrAborted)
	defer func() {
		for _, c := range b.calls {
			if c.err == nil {
				c.err = b.err
			}
			close(c.done)
		}
	}()
	b.err = db.commitBatch(b)
	rest = calls[len(b.calls):]
	if b.err == nil {
		db.removeFiles(b.files)
		for _, s := range db.orphans.take() {
			db.Discard(s)
		}
	}
	if b.err == nil || errors.Is(b.err, store.ErrUnknown) {
		for _, fn := range b.after {
			_ = protect(func() error { fn(); return nil })
		}
	}
	return rest
}

// commitBatch runs a batch on one snapshot, writes what it changed to the journal, and shows it
// once that is durable. What it returns concerns the calls that succeeded; those that failed
// left nothing behind.
func (db *DB) commitBatch(b *batch) error {
	if err := db.failure(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrAborted, err)
	}
	p, err := db.pin()
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrAborted, err)
	}
	defer p.release()
	work := db.run(p, b)
	if len(b.changes) == 0 {
		return nil
	}
	if err := db.write(b); err != nil {
		return err
	}
	db.show(p.state, work, b)
	return nil
}

// run runs the closures, until they have changed enough for one batch, and returns the layer
// with what they changed.
func (db *DB) run(p *pinned, b *batch) *layer {
	work := p.state.top.Copy()
	for i, c := range b.calls {
		if b.octets > db.o.Segment/4 {
			b.calls = b.calls[:i]
			break
		}
		if c.err = c.ctx.Err(); c.err != nil {
			continue
		}
		before := work.Copy()
		t := db.begin(context.Background(), p.tx, append([]*layer{work}, p.state.layers()[1:]...))
		t.writable = true
		c.err = protect(func() error {
			defer t.end()
			return c.fn(store.NewTx(t))
		})
		if c.err != nil {
			work = before
			continue
		}
		b.changes = append(b.changes, t.changes...)
		b.octets += t.octets()
		for name, named := range t.files {
			b.files[name] = named
		}
		b.after = append(b.after, t.after...)
	}
	return work
}
