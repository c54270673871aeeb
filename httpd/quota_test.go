package httpd

import (
	"net"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/throttle"
)

// from is what a client with this key, at this address, is answered.
func (h *fixture) from(addr, key string) int {
	r := httptest.NewRequest("GET", "/v1/whoami", nil)
	r.RemoteAddr = addr
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	h.s.Handler().ServeHTTP(w, r)
	if w.Code == 429 {
		if n, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || n < 1 || n > 60 {
			h.t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
	return w.Code
}

func TestFailedKeysAreCountedPerSource(t *testing.T) {
	h := newFixture(t)
	h.s.o.Logins = throttle.NewLogins(10, 10, h.clock.Now)
	for i := range 10 {
		if got := h.from("192.0.2.1:1", "wrong"); got != 401 {
			t.Fatalf("try %d: %d", i, got)
		}
	}
	for addr, want := range map[string]int{"192.0.2.1:2": 429, "192.0.2.2:1": 200, "127.0.0.1:1": 200} {
		if got := h.from(addr, h.keys["reader"]); got != want {
			t.Errorf("the right key from %s: %d, want %d", addr, got, want)
		}
	}
	for i := range 30 {
		if got := h.from("127.0.0.1:1", "wrong"); got != 401 {
			t.Fatalf("try %d on loopback: %d", i, got)
		}
	}
	h.clock.Forward(time.Minute)
	for range 30 { // those that succeed are not counted
		if got := h.from("192.0.2.1:1", h.keys["reader"]); got != 200 {
			t.Fatalf("a minute later: %d", got)
		}
	}
}

func TestRequestsOfAKeyAreLimited(t *testing.T) {
	h := newFixture(t)
	h.s.rate = throttle.NewRate(5, h.clock.Now)
	for i := range 5 {
		if got := h.from("192.0.2.1:1", h.keys["reader"]); got != 200 {
			t.Fatalf("request %d: %d", i, got)
		}
	}
	if got := h.from("192.0.2.9:1", h.keys["reader"]); got != 429 {
		t.Errorf("beyond the limit, from elsewhere: %d", got)
	}
	if got := h.from("192.0.2.1:1", h.keys["admin"]); got != 200 {
		t.Errorf("another key: %d", got)
	}
	h.want(200, "socket", "GET", "/v1/whoami", "")
	h.clock.Forward(12 * time.Second)
	if got := h.from("192.0.2.1:1", h.keys["reader"]); got != 200 {
		t.Errorf("later: %d", got)
	}
}

// arriving is a listener whose connections come from given addresses.
type arriving struct {
	net.Listener
	from []string
}

type remoteConn struct {
	net.Conn
	addr   net.Addr
	closed bool
}

func (c *remoteConn) RemoteAddr() net.Addr { return c.addr }
func (c *remoteConn) Close() error         { c.closed = true; return nil }

func (l *arriving) Accept() (net.Conn, error) {
	if len(l.from) == 0 {
		return nil, net.ErrClosed
	}
	a, err := net.ResolveTCPAddr("tcp", l.from[0])
	l.from = l.from[1:]
	return &remoteConn{addr: a}, err
}

func TestConnectionsAreCountedPerSource(t *testing.T) {
	over := 0
	in := &arriving{from: []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1",
		"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"}}
	l := &sources{Listener: in, max: 2, over: func() { over++ }}
	var got []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		got = append(got, c)
	}
	if len(got) != 8 || over != 2 {
		t.Errorf("%d connections taken, %d closed; want 8 and 2", len(got), over)
	}
	got[0].Close()
	got[0].Close() // counts once
	in.from = []string{"192.0.2.1:4", "192.0.2.1:5"}
	if c, err := l.Accept(); err != nil || c.RemoteAddr().String() != "192.0.2.1:4" {
		t.Errorf("the place of a closed one: %v, %v", c, err)
	}
	if c, err := l.Accept(); err == nil {
		t.Errorf("%v was taken", c.RemoteAddr())
	}
	for _, c := range got {
		c.Close()
	}
}

// A client that stops reading an export is cut, and ends nobody's patience.
func TestAnExportToAClientThatReadsNothingEnds(t *testing.T) {
	h := newFixture(t)
	h.s.stall = 50 * time.Millisecond
	client, server := net.Pipe()
	defer client.Close()
	w := &steady{w: &piped{httptest.NewRecorder(), server}, stall: h.s.stall}
	done := make(chan error, 1)
	go func() {
		_, err := w.Write(make([]byte, 1<<16))
		done <- err
	}()
	if err := <-done; err == nil {
		t.Error("written to nobody")
	}
}

// piped is a response that goes to a connection.
type piped struct {
	*httptest.ResponseRecorder
	c net.Conn
}

func (p *piped) Write(b []byte) (int, error)         { return p.c.Write(b) }
func (p *piped) SetWriteDeadline(at time.Time) error { return p.c.SetWriteDeadline(at) }
