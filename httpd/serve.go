package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"

	"github.com/multimail/multimail/mail"
)

// Limits of a listener. A write may take as long as the longest wait and more.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 60 * time.Second
	writeTimeout  = 150 * time.Second
	idleTimeout   = 120 * time.Second
	maxHeader     = 16 << 10
	maxConns      = 1024
)

// Handler returns what is served over TCP, on an address that is not loopback.
func (s *Server) Handler() http.Handler { return s.guard(s.doors(), s.listed) }

// doors returns REST and, where there is one, MCP.
func (s *Server) doors() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.handler)
	if s.o.OAuth != nil {
		s.mountOAuth(mux)
	}
	if s.o.MCP == nil {
		return mux
	}
	mcp := s.o.MCP(s.InProcess("mcp"))
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		s.serveMCP(mcp, w, r)
	})
	return mux
}

// SocketHandler returns what is served on the unix socket. Who is at the other
// end is put into the context by the listener of ServeSocket.
func (s *Server) SocketHandler() http.Handler { return s.handler }

// Serve serves TCP connections until Shutdown.
func (s *Server) Serve(l net.Listener) error { return s.ServeTLS(l, nil) }

// ServeTLS is Serve over TLS; a nil config means plain TCP. l is the plain
// listener: TLS goes outermost, because http.Server handshakes, within
// headerTimeout, and a request knows of its TLS only on a *tls.Conn itself.
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error {
	h := s.Handler()
	if loopback(l) {
		h = s.guard(s.doors(), s.onLoopback)
	}
	s.base.Store(s.addressOn(l, config != nil))
	over := func() { s.o.Metrics.Limits.WithLabelValues(string(mail.LimitHTTPSource)).Inc() }
	l = &sources{Listener: l, max: s.o.MaxPerSource, over: over} // before the limit of all, which it would fill
	l = netutil.LimitListener(l, maxConns)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return s.run(l, h, nil)
}

// ServeSocket listens on a unix socket at path, which none but this user can
// open, and serves it until Shutdown. What stood at path is replaced: whoever
// holds the data directory's database is the only daemon there.
func (s *Server) ServeSocket(path string) error {
	l, err := listenSocket(path)
	if err != nil {
		return fmt.Errorf("httpd: listen on the local socket: %w", err)
	}
	defer os.Remove(path)
	return s.run(l, s.SocketHandler(), func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, peerOf(c))
	})
}

// listenSocket makes the socket under another name and moves it to path once
// its mode is set: nobody can connect in between.
func listenSocket(path string) (net.Listener, error) {
	fresh := filepath.Join(filepath.Dir(path), ".new.sock")
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // its name is another one now
	if err = os.Chmod(fresh, 0o600); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		l.Close()
		os.Remove(fresh)
		return nil, err
	}
	return l, nil
}

// peerOf asks the operating system who is at the other end. The mode of the
// socket keeps others out already; this is the second lock.
func peerOf(c net.Conn) peer {
	uid, err := peerUID(c)
	if err == nil && uid != 0 && uid != os.Geteuid() {
		err = fmt.Errorf("uid %d", uid)
	}
	if err != nil {
		return peer{uid: -1, err: refuse(http.StatusForbidden,
			"the local socket is for the user that runs the server")}
	}
	return peer{uid: uid}
}

// run serves one listener and takes part in Shutdown.
func (s *Server) run(
	l net.Listener, h http.Handler, conn func(context.Context, net.Conn) context.Context,
) error {
	srv := s.server(h, conn)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(net.ErrClosed, l.Close())
	}
	s.servers = append(s.servers, srv)
	s.mu.Unlock()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("httpd: serve: %w", err)
	}
	return nil
}

// server returns a server with the limits of a listener. conn adds what is
// known of a connection to its context; nil adds nothing.
func (s *Server) server(h http.Handler, conn func(context.Context, net.Conn) context.Context) *http.Server {
	idle := &idler{after: unknownIdle, cut: s.o.Metrics.Limits.WithLabelValues(string(mail.LimitHTTPIdleStranger)).Inc}
	return &http.Server{
		Handler: h, ConnState: idle.state,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if conn != nil {
				ctx = conn(ctx, c)
			}
			return idle.context(ctx, c)
		},
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
}

// Shutdown closes the listeners, sends home who waits, lets every other request
// end, and closes what is left when ctx ends. It is safe to call twice.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	servers := s.servers
	s.mu.Unlock()
	var all error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			all = errors.Join(all, err, srv.Close())
		}
	}
	return all
}
