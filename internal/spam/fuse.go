package spam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Why a question got no answer; label of the counter of failures.
const (
	failConnect = "connect" // nobody listens
	failTimeout = "timeout"
	failClosed  = "closed" // the connection ended before the answer did
	failAnswer  = "answer" // the answer cannot be meant
	failDown    = "down"   // not asked: it has not answered lately
	failBusy    = "busy"   // not asked: too many questions wait
)

var (
	errAnswer  = errors.New("spam: the filter's answer cannot be meant")
	errConnect = errors.New("spam: no connection to the filter")
)

// isEnd reports whether a connection ended before the answer did.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed)
}

// lie says what is wrong with an answer.
func lie(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errAnswer, fmt.Sprintf(format, args...))
}

// failure classifies the error of a question, "" for none.
func failure(err error, ctx context.Context) string {
	var timeout net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errAnswer):
		return failAnswer
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failTimeout
	case errors.Is(err, errConnect):
		return failConnect
	}
	return failClosed
}

// How many questions in a row must fail before nobody asks any more, and for how
// long nobody does. Then one question is asked, and its answer decides.
const (
	fuseFailures = 5
	fuseOpen     = 10 * time.Second
)

// fuse keeps a dead filter from holding every session for the whole timeout. Only
// failures to connect and to answer in time count: a wrong answer, or none, may be due
// to the mail, whose author could stop the filtering of everybody else's. Such a
// failure does not hold a session either.
type fuse struct {
	mu      sync.Mutex
	failed  int
	until   time.Time
	probing bool
}

// allows reports whether a question may be asked now.
func (f *fuse) allows(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failed < fuseFailures:
		return true
	case f.probing || now.Before(f.until):
		return false
	}
	f.probing = true
	return true
}

// skipped takes back a question that allows let pass and that was not asked.
func (f *fuse) skipped() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probing = false
}

// report takes the outcome of a question, and reports whether the filter counts as
// dead from now on.
func (f *fuse) report(now time.Time, why string) (died bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probing = false
	if why != failConnect && why != failTimeout {
		f.failed = 0
		return false
	}
	f.failed++
	if f.failed >= fuseFailures {
		f.until = now.Add(fuseOpen)
	}
	return f.failed == fuseFailures
}
