package httpd

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/multimail/multimail/mail"
)

// slotWait is how long a request waits for its turn to do heavy work.
const slotWait = 10 * time.Second

var errBusy = limited(mail.LimitWork, http.StatusServiceUnavailable, "the server is busy with other mail; try again later")

// newSlots returns a semaphore: so many renderings, reviews and compositions
// run at the same time, whatever the number of clients.
func newSlots() chan struct{} { return make(chan struct{}, max(2, runtime.GOMAXPROCS(0))) }

// work runs fn once it is its turn. It does not run fn for a client that is
// gone, nor when its turn does not come in time; what fn costs is bounded by
// the budget of a message.
func (s *Server) work(ctx context.Context, fn func() error) error {
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
