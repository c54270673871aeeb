package httpd

import (
	"net"
	"sync"

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
