package httpd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multimail/multimail/internal/throttle"
)

// sources closes a connection at once when its source has as many as it may.
type sources struct {
	net.Listener
	max  int
	over func() // counts what was closed

	mu  sync.Mutex
	now map[string]int // connections by source
}

// Accept implements net.Listener.
func (l *sources) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(c.RemoteAddr().String())
		if err != nil {
			host = c.RemoteAddr().String()
		}
		source, limited := throttle.Source(host)
		if !limited {
			return c, nil
		}
		if l.enter(source) {
			return &countedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(source) })}, nil
		}
		c.Close()
		l.over()
	}
}

func (l *sources) enter(source string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now[source] >= l.max {
		return false
	}
	if l.now == nil {
		l.now = map[string]int{}
	}
	l.now[source]++
	return true
}

func (l *sources) leave(source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now[source]--; l.now[source] <= 0 {
		delete(l.now, source)
	}
}

// countedConn is a connection that counts until it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// unknownIdle is how long a connection may stay idle on which no credential
// was accepted yet; afterwards idleTimeout holds.
const unknownIdle = 5 * time.Second

// idler closes connections that are idle and have shown no credential. The
// server's own IdleTimeout is one for all of them.
type idler struct {
	after time.Duration
	cut   func()   // counts what was closed
	conns sync.Map // net.Conn → *visit
}

// visit is one connection as an idler knows it.
type visit struct {
	known atomic.Bool // a credential was accepted
	timer *time.Timer // closes the connection; runs while it is idle
}

type visitKey struct{}

// context puts the visit of a connection into its context.
func (i *idler) context(ctx context.Context, c net.Conn) context.Context {
	v := &visit{timer: time.AfterFunc(i.after, func() { c.Close(); i.cut() })}
	v.timer.Stop()
	i.conns.Store(c, v)
	return context.WithValue(ctx, visitKey{}, v)
}

// state follows http.Server's ConnState.
func (i *idler) state(c net.Conn, s http.ConnState) {
	found, ok := i.conns.Load(c)
	if !ok {
		return
	}
	v := found.(*visit)
	v.timer.Stop()
	switch s {
	case http.StateIdle:
		if !v.known.Load() {
			v.timer.Reset(i.after)
		}
	case http.StateClosed, http.StateHijacked:
		i.conns.Delete(c)
	}
}

// recognise notes that the connection of a request has shown a credential.
func recognise(ctx context.Context) {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		v.known.Store(true)
	}
}
