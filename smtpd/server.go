// Package smtpd has the doors that speak SMTP: message submission for agents (RFC 6409)
// with STARTTLS and with implicit TLS (RFC 8314), and for mail from the world port 25
// and LMTP (RFC 2033). All are one state machine; a profile says what differs.
//
// It is the security boundary of the product: what this parser takes for the
// envelope and for the end of a message is what the gate judges. So it reads
// the wire itself, strictly, and drives the Session interface of go-smtp, which
// session.go implements (see docs/decisions/0001).
//
//	wire.go     lines and message data; nothing but CRLF ends them
//	conn.go     the state machine of one connection
//	command.go  its verbs; param.go their parameters, auth.go AUTH
//	sasl.go     the mechanisms; bearer.go and scram.go have those with more than a password
//	login.go    what a presented credential leads to, whatever the mechanism
//	session.go  what a transaction means: one principal, one mailbox, the gate
//
//	profile.go  what one door does its own way
//	inbound.go  the doors for mail from the world; delivery.go what a transaction means there
//	hop.go      servers in front that are believed; inspect.go who is asked about a sender
//	statuses.go the replies of LMTP, one for each recipient
//
// The server does not read mail: it passes bytes to the gate and replies with its answer.
package smtpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// Gate is what the door needs of the gate.
type Gate interface {
	Admit(ctx context.Context, p registry.Principal, from mail.Address, size int64, codes gate.Codes) error
	AdmitRecipient(ctx context.Context, p registry.Principal, from, to mail.Address, codes gate.Codes) error
	Submit(ctx context.Context, p registry.Principal, s gate.Submission) (gate.Receipt, error)
}

var _ Gate = (*gate.Gate)(nil)

// Authenticator checks credentials, and records those that it refuses. A refusal
// is registry.ErrCredentials; any other error means "not now".
type Authenticator interface {
	ByPassword(ctx context.Context, user, password string, from registry.Origin) (registry.Principal, error)
	// TakesTokens reports whether there is an issuer whose tokens ByToken accepts.
	TakesTokens() bool
	ByToken(ctx context.Context, token string, from registry.Origin) (registry.Principal, error)
	// SCRAM returns what its server side needs of a user, who need not exist; BySCRAM
	// the principal of one that has proved to know the password.
	SCRAM(ctx context.Context, user string) (registry.SCRAM, error)
	BySCRAM(ctx context.Context, known registry.SCRAM, user string, from registry.Origin) (registry.Principal, error)
	// ByCertificate takes what the client of a TLS connection sent, its own certificate first.
	ByCertificate(ctx context.Context, chain []*x509.Certificate, from registry.Origin) (registry.Principal, error)
	// Refuse records a login that the door itself refuses, and returns the refusal.
	Refuse(ctx context.Context, by registry.CredentialKind, user string, from registry.Origin) error
}

var _ Authenticator = (*registry.Authenticator)(nil)

// Options are the settings of a server, which are all required, and limits that
// are fixed, of which zero means the fixed value.
type Options struct {
	Hostname       string           // announced name
	TLSConfig      *tls.Config      // passwords travel only under TLS
	MaxSize        int64            // octets of a message
	MaxRecipients  int              // of a message
	MaxConnections int              // at the same time
	MaxPerSource   int              // of them from one throttle.Source
	MaxCommands    int              // without a login or a message, beside MaxRecipients
	Logins         *throttle.Logins // failed logins, also those over HTTP
	Messages       *throttle.Bytes  // octets of messages in memory, also those of HTTP

	TokenScope string // what a client whose token was refused should ask its issuer for; "" for nothing to say

	MaxErrors      int           // in a session before it is closed; 10
	MaxAuth        int           // refused credentials before it is closed; 3
	CommandTimeout time.Duration // for the next command; 5 minutes
	LoginTimeout   time.Duration // from the first octet to the login; 2 minutes
	DataTimeout    time.Duration // for the next block of data; 3 minutes
	MessageTimeout time.Duration // for the whole of a message; 30 minutes
	AuthDelay      time.Duration // after refused credentials, times their number; 1 second
	AccountDelay   time.Duration // after those of an account over its limit; 10 seconds

	Log     *slog.Logger
	Metrics *metrics.Metrics
}

// check refuses settings that are left out: zero never means no limit.
func (o Options) check() error {
	for name, missing := range map[string]bool{
		"Hostname": o.Hostname == "", "TLSConfig": o.TLSConfig == nil, "MaxSize": o.MaxSize <= 0,
		"MaxRecipients": o.MaxRecipients <= 0, "MaxConnections": o.MaxConnections <= 0,
		"MaxPerSource": o.MaxPerSource <= 0, "MaxCommands": o.MaxCommands <= 0,
		"Logins": o.Logins == nil, "Messages": o.Messages == nil,
	} {
		if missing {
			return fmt.Errorf("smtpd: Options.%s is required", name)
		}
	}
	return nil
}

// withFixed fills in the limits that are no settings.
func (o Options) withFixed() Options {
	o.MaxErrors = cmp.Or(o.MaxErrors, 10)
	o.MaxAuth = cmp.Or(o.MaxAuth, 3)
	o.CommandTimeout = cmp.Or(o.CommandTimeout, 5*time.Minute)
	o.LoginTimeout = cmp.Or(o.LoginTimeout, 2*time.Minute)
	o.DataTimeout = cmp.Or(o.DataTimeout, 3*time.Minute)
	o.MessageTimeout = cmp.Or(o.MessageTimeout, 30*time.Minute)
	o.AuthDelay = cmp.Or(o.AuthDelay, time.Second)
	o.AccountDelay = cmp.Or(o.AccountDelay, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New()
	}
	return o
}

// Server is one door: what differs between doors is its profile.
type Server struct {
	o    Options
	p    profile
	gate Gate // of submission, as auth
	auth Authenticator

	// Sessions work under these: the interface of go-smtp takes no
	// context. The first ends when Shutdown begins, the second when its time is over.
	accepting, work context.Context
	stop, cut       context.CancelFunc

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*conn]struct{}
	perSource map[string]int
	done      sync.WaitGroup // sessions
	refusing  chan struct{}  // one element for each connection over the limit that gets a reply
}

// New returns the server for submission. It listens nowhere yet.
func New(g Gate, a Authenticator, o Options) (*Server, error) {
	if g == nil || a == nil {
		return nil, errors.New("smtpd: gate and authenticator are required")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	s := newServer(o)
	s.gate, s.auth = g, a
	s.p = s.submission()
	return s, nil
}

// newServer returns a server without a profile.
func newServer(o Options) *Server {
	s := &Server{o: o.withFixed(), conns: map[*conn]struct{}{},
		perSource: map[string]int{}, refusing: make(chan struct{}, 16)}
	s.accepting, s.stop = context.WithCancel(context.Background())
	s.work, s.cut = context.WithCancel(context.Background())
	return s
}

// Serve takes connections from l until Shutdown. With implicit TLS the first
// octet of a connection belongs to the handshake, else STARTTLS is offered.
func (s *Server) Serve(l net.Listener, implicit bool) error {
	if implicit && s.o.TLSConfig == nil {
		return errors.Join(errors.New("smtpd: no TLS certificate"), l.Close())
	}
	s.mu.Lock()
	if s.accepting.Err() != nil {
		s.mu.Unlock()
		return errors.Join(net.ErrClosed, l.Close())
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	wait := time.Duration(0)
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s.take(c, implicit)
			continue
		case s.accepting.Err() != nil, errors.Is(err, net.ErrClosed):
			return nil
		}
		// Out of file descriptors, most likely: it passes.
		s.o.Log.Error(logAccept, "door", s.p.door, "err", err)
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(wait):
		case <-s.accepting.Done():
		}
	}
}

// take starts a session, or refuses it when there are too many.
func (s *Server) take(nc net.Conn, implicit bool) {
	c := newConn(s, nc, implicit)
	s.o.Metrics.Sessions.WithLabelValues(s.p.listener(c)).Inc()
	if !s.enter(c) {
		select {
		case s.refusing <- struct{}{}:
			go s.refuse(c)
		default:
			nc.Close() // too many of these get no reply
		}
		return
	}
	go func() {
		defer s.leave(c)
		c.serve()
	}()
}

// enter counts a session, unless there are too many or no more are taken.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	source, limited := s.p.source(c.remote)
	switch {
	case s.accepting.Err() != nil:
		return false
	case len(s.conns) >= s.o.MaxConnections:
		s.reached(s.p.tooMany)
		return false
	case limited && s.perSource[source] >= s.o.MaxPerSource:
		s.reached(s.p.tooNear)
		return false
	case limited && s.p.rate != nil && s.p.rate.Take(source) > 0:
		s.reached(mail.LimitInboundConnectionRate)
		return false
	}
	s.conns[c] = struct{}{}
	s.perSource[source]++
	s.done.Add(1)
	return true
}

// reached counts that a limit was reached.
func (s *Server) reached(l mail.Limit) { s.o.Metrics.Limits.WithLabelValues(string(l)).Inc() }

func (s *Server) leave(c *conn) {
	defer s.done.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	source, _ := s.p.source(c.remote)
	if s.perSource[source]--; s.perSource[source] <= 0 {
		delete(s.perSource, source)
	}
}

// refuse answers a connection over the limit with a temporary reply.
func (s *Server) refuse(c *conn) {
	defer func() { <-s.refusing }()
	defer c.wire.close()
	_ = c.wire.c.SetDeadline(time.Now().Add(farewellTime)) // of a handshake too
	r := newReply(421, "4.3.2", "too many connections, try again later")
	_, _ = io.WriteString(c.wire.c, r.String())
}

// Shutdown stops listening, lets messages under way finish, ends sessions that
// wait for a command with a temporary reply, and waits for all of them or for
// ctx; then it closes those that are left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stop()
	for _, l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.finish()
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() { s.done.Wait(); close(ended) }()
	select {
	case <-ended:
		s.cut()
		return nil
	case <-ctx.Done():
	}
	s.cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.wire.close()
	}
	return fmt.Errorf("smtpd: %d sessions were cut: %w", len(s.conns), ctx.Err())
}
