package httpd

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// maxWaiters is how many requests of one principal may wait at the same time.
const maxWaiters = 10

// errWaiters tells a principal that waits too often to end some waits first.
var errWaiters = limited(mail.LimitWaiters, http.StatusTooManyRequests,
	"too many requests of yours are waiting; let one end first")

// waiters counts who waits, by principal.
type waiters struct {
	mu  sync.Mutex
	now map[string]int
}

// enter counts a waiter in; leave counts it out.
func (w *waiters) enter(p registry.Principal) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := p.ID()
	if w.now[id] >= maxWaiters {
		return nil, errWaiters
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

// await calls look until it says that there is something to answer, at most for
// the given time. watch is asked for its channel before each look, so that
// nothing that happens in between is missed; look is not called again before
// the channel is closed. late is true when the time was over first.
func (s *Server) await(
	ctx context.Context, limit time.Duration, watch func() (<-chan struct{}, func()), look func() (bool, error),
) (late bool, err error) {
	timeout, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		moved, stop := watch()
		found, err := look()
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
