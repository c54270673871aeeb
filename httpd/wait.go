package httpd

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxWaiters is how many requests of one principal may wait at the same time.
const maxWaiters = 10

// errWaiters refuses a wait to a principal that has too many.
var errWaiters = limited(mail.LimitWaiters, http.StatusTooManyRequests,
	"too many requests of yours are waiting; let one end first")

// errSearching refuses a search to a principal that has one.
var errSearching = limited(mail.LimitSearches, http.StatusTooManyRequests,
	"a search of yours is under way; wait for its answer, then ask again")

// shares counts what principals do at the same time.
type shares struct {
	each int   // how often one principal may
	full error // what one more is answered

	mu  sync.Mutex
	now map[string]int
}

// enter counts a principal in; leave counts it out.
func (w *shares) enter(p registry.Principal) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := p.ID()
	if w.now[id] >= w.each {
		return nil, w.full
	}
	if w.now == nil {
		w.now = map[string]int{}
	}
	w.now[id]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.now[id]--; w.now[id] == 0 {
			delete(w.now, id)
		}
	}, nil
}

// parked is the error of a handler that has nothing to answer yet. Who has called it waits
// (see sit) once all of its callers have returned: a thousand goroutines that wait with
// little on their stacks take half the memory.
type parked struct {
	limit  time.Duration
	watch  func() (<-chan struct{}, func()) // see await
	check  func() (bool, error)
	answer func(late bool) (any, error)

	op    *api.Operation // set on the way back
	leave func()         // counts the waiter out
}

// Error makes parked an error.
func (*parked) Error() string { return "httpd: the request waits" }

// sit waits for what a handler that has parked its request answers.
func (s *Server) sit(ctx context.Context, p *parked) (any, error) {
	defer p.leave()
	late, err := s.await(ctx, p.limit, p.watch, p.check)
	if err != nil {
		return nil, err
	}
	return p.answer(late)
}

// await calls check until it says that there is something to answer, at most for
// the given time. watch is asked for its channel before each check, so that
// nothing that happens in between is missed; check is not called again before
// the channel is closed. late is true when the time was over first.
func (s *Server) await(
	ctx context.Context, limit time.Duration, watch func() (<-chan struct{}, func()), check func() (bool, error),
) (late bool, err error) {
	timeout, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		moved, stop := watch()
		found, err := check()
		if err != nil || found {
			stop()
			return false, err
		}
		select {
		case <-moved:
		case <-timeout.Done():
			stop()
			return true, ctx.Err()
		case <-s.closing:
			stop()
			return false, nil
		}
		stop()
	}
}

// stillValid returns an error when the credential of a request that has waited is
// valid no more: what happened meanwhile is not for who lost it.
func (s *Server) stillValid(ctx context.Context, c caller) error {
	return s.o.Store.View(ctx, func(tx store.Tx) error {
		_, err := s.o.Registry.Current(tx, c.Principal)
		return err
	})
}

// slotWait is how long a request waits for its turn to do heavy work.
const slotWait = 10 * time.Second

var errBusy = limited(mail.LimitWork, http.StatusServiceUnavailable,
	"the server is busy with other mail; try again later")

// newSlots returns a semaphore: so many renderings, reviews and compositions
// run at the same time, whatever the number of clients.
func newSlots() chan struct{} { return make(chan struct{}, max(2, runtime.GOMAXPROCS(0))) }

// work runs fn once it is its turn. It does not run fn for a client that is
// gone, nor when its turn does not come in time; what fn costs is bounded by
// the budget of a message.
func (s *Server) work(ctx context.Context, c caller, fn func() error) error {
	if !c.heavy {
		return errors.New("httpd: the operation is not marked as heavy in the table")
	}
	timeout := time.NewTimer(slotWait)
	defer timeout.Stop()
	select {
	case s.slots <- struct{}{}:
	case <-timeout.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.slots }()
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn()
}
