// Package capture is the next hop of dev mode: an SMTP server on loopback that
// takes everything and delivers nothing. What it was sent stands in files, one
// pair for each recipient:
//
//	<mail id>-1.json  {"from": …, "to": …, "received_at": …}
//	<mail id>-1.eml   the octets, as received
//
// The relay speaks to it as to any other host, so what is tried in dev mode is
// what runs later. It is no part of the gate and believes what it is told.
package capture

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// MaxSize is the largest message that is taken, in octets.
const MaxSize = 64 << 20

// Options say where to listen and where to write. Only Dir is required.
type Options struct {
	Dir    string           // made with mode 0700 if it is missing
	Listen string           // host:port on loopback; "" means 127.0.0.1 and any port
	Now    func() time.Time // nil means time.Now
}

// Server is a running capture.
type Server struct {
	dir      string
	now      func() time.Time
	smtp     *smtp.Server
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex // guards the numbers of files, and closed
	unknown int        // files of mails without id so far
	closed  bool
}

// Start listens and serves until Close. It refuses to listen anywhere but on
// loopback: whoever reaches it can fill the disk.
func Start(o Options) (*Server, error) { return start(o, MaxSize) }

func start(o Options, maxSize int64) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("capture: a directory is required")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	addr, err := net.ResolveTCPAddr("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("capture: resolve %s: %w", o.Listen, err)
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("capture: %s is not on loopback", o.Listen)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("capture: make directory: %w", err)
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("capture: listen: %w", err)
	}
	s := &Server{dir: o.Dir, now: o.Now, listener: l}
	s.smtp = s.server(maxSize)
	s.serving.Go(func() { s.smtp.Serve(l) }) // ends with an error only after Close
	return s, nil
}

// server sets every limit of go-smtp's server, which has nearly none of its own.
func (s *Server) server(maxSize int64) *smtp.Server {
	v := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{server: s}, nil
	}))
	v.Domain = "capture.localhost"
	v.MaxMessageBytes = maxSize + 1 // it refuses a message of exactly its limit
	v.MaxRecipients = 1000
	v.ReadTimeout = 5 * time.Minute
	v.WriteTimeout = time.Minute
	v.ErrorLog = slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug)
	return v
}

// Addr returns the host:port it listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends every connection. After it no file is written any more. It may be
// called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.smtp.Close()
	s.listener.Close() // go-smtp may not have known it yet
	s.serving.Wait()
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
