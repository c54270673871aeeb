package relay

import (
	"bufio"
	"context"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// session is one SMTP connection, greeted, encrypted and authenticated as the
// options ask. It serves one transaction at a time.
type session struct {
	host   string // host:port, the key of the pool and what results name
	tcp    net.Conn
	wire   *wire // the connection of smtp: tcp, or TLS over it
	smtp   *smtp.Client
	out    *bufio.Writer // for bodies
	secure bool

	// What EHLO offered, kept since go-smtp later answers the same for a broken
	// connection as for a missing extension.
	eightBit bool
	maxSize  int // 0: no limit was named

	used    int       // transactions begun
	open    bool      // MAIL was taken and its transaction has not ended
	dropped bool      // nothing more may be written
	idle    time.Time // since when, while in the pool

	unwatch func() bool
}

// hello sends EHLO, after the greeting if there is one to come.
func (s *session) hello(hostname string) error {
	err := s.smtp.Hello(hostname)
	if err == nil {
		s.eightBit, _ = s.smtp.Extension("8BITMIME")
		s.maxSize, _ = s.smtp.MaxMessageSize()
	}
	return err
}

// watch closes the connection as soon as ctx ends, whatever it is waiting for.
func (s *session) watch(ctx context.Context) {
	s.unwatch = context.AfterFunc(ctx, func() { s.tcp.Close() })
}

// drop ends the connection without another octet: not even the closing
// alert of TLS, since nothing may follow a transaction that policy has stopped
// (invariant 11).
func (s *session) drop() {
	s.dropped = true
	s.tcp.Close()
}

// fail types err, and drops the connection when it is of no more use.
func (s *session) fail(f *failure) *failure {
	f.Remote = s.host
	if f.lost {
		s.drop()
	}
	return f
}

// clean ends an open transaction, so that the session may serve another one.
// go-smtp sends EHLO again after RSET; its extensions are read anew.
func (s *session) clean(hostname string) bool {
	if s.wire.inBody { // left in the middle by a panic: not one octet more
		s.drop()
	}
	if s.open && !s.dropped && (s.smtp.Reset() != nil || s.hello(hostname) != nil) {
		s.drop()
	}
	s.open = false
	if !s.dropped && s.wire.quiet() != nil {
		s.drop() // a reply to nothing would be taken for that to the next command
	}
	return !s.dropped
}

// quitTimeout is how long the reply to QUIT is waited for.
const quitTimeout = time.Second

// quit ends a session that has nothing left to do.
func (s *session) quit() {
	s.smtp.CommandTimeout = quitTimeout
	_ = s.smtp.Quit() // the session ends either way
	s.drop()
}
