package httpd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Idle connections cost memory and file descriptors: those who have shown no
// credential keep them for seconds only.
func TestAnIdleConnectionWithoutACredentialIsCutAfterSeconds(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		status    int
		after     time.Duration
	}{
		{"a public page", "", 200, unknownIdle},
		{"a wrong key", "mm_wrong", 401, unknownIdle},
		{"an accepted key", "reader", 200, idleTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newFixture(t)
				path, auth := "/v1/mailboxes", tt.key
				if key, ok := h.keys[tt.key]; ok {
					auth = key
				}
				if tt.key == "" {
					path = "/health"
				}
				handler := h.s.Handler()
				l := newPipeListener()
				srv := h.s.server(handler, nil)
				done := make(chan error, 1)
				go func() { done <- srv.Serve(l) }()
				c := l.dial()
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, auth)
				r := bufio.NewReader(c)
				resp, err := http.ReadResponse(r, nil)
				if err != nil || resp.StatusCode != tt.status {
					t.Fatalf("%+v, %v", resp, err)
				}
				io.Copy(io.Discard, resp.Body)
				start := time.Now()
				if _, err := r.ReadByte(); err == nil {
					t.Error("an octet came out of nowhere")
				}
				if got := time.Since(start); got != tt.after {
					t.Errorf("cut after %s, want %s", got, tt.after)
				}
				srv.Close()
				if err := <-done; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// pipeListener hands out pipes, whose time synctest knows.
type pipeListener struct {
	conns chan net.Conn
	ended chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{make(chan net.Conn), make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	a, b := net.Pipe()
	l.conns <- b
	return a
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.ended:
	default:
		close(l.ended)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }
