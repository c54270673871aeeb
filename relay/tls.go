package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// errInjected means that plaintext came after the 220 that ends plaintext: an
// attacker would have the encrypted session read it.
var errInjected = errors.New("relay: plaintext after the reply to STARTTLS")

// upgrade sends STARTTLS and does the handshake. go-smtp's own STARTTLS sends
// EHLO with "localhost", discards injected octets in silence and does the
// handshake at some later write; so this one verb is written here.
func (c *Client) upgrade(ctx context.Context, s *session, name string) *failure {
	s.wire.SetDeadline(time.Now().Add(c.o.GreetingTimeout))
	defer s.tcp.SetDeadline(time.Time{})
	_, err := s.wire.Write([]byte("STARTTLS\r\n"))
	var reply []replyLine
	if err == nil {
		reply, err = s.wire.readReply()
	}
	if err == nil {
		if code, text := join(reply); code/100 != 2 {
			err = &smtp.SMTPError{Code: code, Message: text}
		} else if s.wire.quiet() != nil {
			err = errInjected
		}
	}
	if err == nil {
		err = c.handshake(ctx, s, name)
	}
	if err != nil {
		return c.noTLS(ctx, s, err)
	}
	// After STARTTLS the server does not greet again, but a new client waits
	// for a greeting. Everything else from before TLS is dropped (RFC 3207,
	// section 4.2).
	s.wire.reply = []byte("220 again\r\n")
	return nil
}

// handshake puts TLS between the session and its connection.
func (c *Client) handshake(ctx context.Context, s *session, name string) error {
	conn := tls.Client(s.tcp, &tls.Config{
		ServerName:         name,
		RootCAs:            c.o.RootCAs,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: c.tickets,
		InsecureSkipVerify: c.o.TLS == Opportunistic,
	})
	ctx, cancel := context.WithTimeout(ctx, c.o.GreetingTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	s.wire, s.secure = newWire(conn, s.tcp), true
	return nil
}

// noTLS makes every failure to encrypt temporary: it may be an attack or a
// certificate that is renewed tomorrow, and no reason to return the mail.
func (c *Client) noTLS(ctx context.Context, s *session, err error) *failure {
	c.o.Log.Warn("attempt", "remote", s.host, "err", err)
	f := temporary("4.7.5", "TLS could not be set up")
	var unverified *tls.CertificateVerificationError
	var reply *smtp.SMTPError
	switch {
	case errors.As(err, &reply):
		f = failed("STARTTLS", err)
		f.Permanent, f.handshake = false, true
	case errors.Is(err, errInjected):
		f = temporary("4.7.5", "plaintext after the reply to STARTTLS")
	case errors.As(err, &unverified):
		f = temporary("4.7.5", "the certificate is not valid for this host")
	case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
		f = temporary("4.4.2", "STARTTLS: interrupted")
	default:
		f.handshake = true
	}
	f.lost = true
	return f
}
