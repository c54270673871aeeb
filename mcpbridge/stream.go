package mcpbridge

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// streamCheck is how often the credential of an open stream is looked at again.
	streamCheck = 30 * time.Second
	// streamWrite is how long a client may take to read one event.
	streamWrite = 30 * time.Second
	// maxStream is the longest that a stream is open; its client opens another one.
	maxStream = time.Hour
)

// stream serves a request whose answer is a stream of events that may stay open for long:
// until its token expires or its credential is no longer valid, and without the deadlines
// of other requests.
func (d *door) stream(w http.ResponseWriter, r *http.Request, of *session, next http.Handler) {
	leave, ok := d.streams.enter(of.who.Credential)
	if !ok {
		w.Header().Set("Retry-After", "60")
		refuse(w, http.StatusTooManyRequests, "too many streams of this credential are open; close one first")
		return
	}
	defer leave()
	until := time.Now().Add(maxStream)
	if t := of.who.Until; !t.IsZero() && t.Before(until) {
		until = t
	}
	ctx, cancel := context.WithDeadline(r.Context(), until)
	defer cancel()
	defer d.b.sessions.stream(of.who.Credential, cancel)()
	s := &streamWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	_ = s.control.SetReadDeadline(time.Time{}) // the client sends nothing more; none in-process
	var watch sync.WaitGroup
	watch.Go(func() { s.guard(ctx, cancel, of) })
	of.request = ctx
	next.ServeHTTP(s, r.WithContext(context.WithValue(ctx, sessionKey{}, of)))
	cancel()
	watch.Wait()
}

// guard ends a stream with its credential, and finds out whether its client is still there.
func (s *streamWriter) guard(ctx context.Context, end context.CancelFunc, of *session) {
	tick := time.NewTicker(streamCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !of.valid(ctx) || !s.comment() {
			end()
			return
		}
	}
}

// valid reports whether the credential of a session is good still, and the same.
func (s *session) valid(ctx context.Context) bool {
	now, err := open(ctx, s.c, "")
	return err == nil && now.who.Credential == s.who.Credential
}

// streamWriter writes events, each within a time of its own.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController

	mu    sync.Mutex
	begun bool
}

// Write implements io.Writer.
func (s *streamWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite)) // none in-process
	return s.ResponseWriter.Write(b)
}

// WriteHeader implements http.ResponseWriter.
func (s *streamWriter) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	s.ResponseWriter.WriteHeader(status)
}

// comment writes an event that says nothing, and reports whether the client takes it.
func (s *streamWriter) comment() bool {
	s.mu.Lock()
	begun := s.begun
	s.mu.Unlock()
	if !begun {
		return true
	}
	_, err := s.Write([]byte(": \n\n"))
	s.Flush()
	return err == nil
}

// Flush implements http.Flusher.
func (s *streamWriter) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.control.Flush() // none in-process
}
