package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/multimail/multimail/mail"
)

// lookup returns what carries a verb out, or nil. An error it returns is one of
// the connection, which ends with it.
func lookup(verb string) func(c *conn, arg string) (reply, error) {
	switch verb {
	case "EHLO":
		return (*conn).ehlo
	case "HELO":
		return (*conn).helo
	case "STARTTLS":
		return (*conn).startTLS
	case "AUTH":
		return (*conn).auth
	case "MAIL":
		return (*conn).mailFrom
	case "RCPT":
		return (*conn).rcptTo
	case "DATA":
		return (*conn).data
	case "RSET":
		return (*conn).rset
	case "NOOP":
		return (*conn).noop
	case "QUIT":
		return (*conn).quit
	case "VRFY":
		return (*conn).vrfy
	case "EXPN":
		return (*conn).expn
	case "HELP":
		return (*conn).help
	}
	return nil
}

func (c *conn) ehlo(arg string) (reply, error) {
	r, err := c.helo(arg)
	if r.code != 250 {
		return r, err
	}
	r.lines = append(r.lines, "PIPELINING", fmt.Sprintf("SIZE %d", c.srv.o.MaxSize), "8BITMIME",
		"ENHANCEDSTATUSCODES", "DSN")
	if m := c.sess.AuthMechanisms(); len(m) > 0 {
		r.lines = append(r.lines, "AUTH "+strings.Join(m, " "))
	}
	if !c.secure {
		r.lines = append(r.lines, "STARTTLS")
	}
	return r, nil
}

// helo greets. The client's name is never used.
//
// QUIRK: odd names are taken; some clients send a file's name.
func (c *conn) helo(arg string) (reply, error) {
	if strings.TrimSpace(arg) == "" {
		return newReply(501, "5.5.4", "a name is expected"), nil
	}
	c.reset()
	c.greeted = true
	return reply{code: 250, lines: []string{c.srv.o.Hostname}}, nil
}

func (c *conn) reset() {
	c.sess.Reset()
	c.mail, c.rcpts, c.size = false, 0, 0
}

// startTLS begins TLS. Octets that came with the command would be read after
// the handshake as if they had been protected: with any, it is refused and the
// connection ends.
func (c *conn) startTLS(arg string) (reply, error) {
	switch {
	case arg != "":
		return newReply(501, "5.5.4", "STARTTLS takes no parameter"), nil
	case c.secure:
		return newReply(503, "5.5.1", "TLS is active already"), nil
	case c.wire.pending():
		return newReply(503, "5.5.1", "nothing may follow STARTTLS before the handshake").closing(), nil
	}
	r := newReply(220, "2.0.0", "ready to start TLS")
	r.upgrade = true
	return r, nil
}

func (c *conn) mailFrom(arg string) (reply, error) {
	if !c.greeted || c.mail {
		return fromError(errSequence), nil
	}
	path, params, err := cutPath(arg, "FROM:")
	if err != nil {
		return fromError(err), nil
	}
	o, err := mailOptions(params)
	if err == nil {
		err = c.sess.Mail(path, o)
	}
	if err != nil {
		return fromError(err), nil
	}
	c.mail, c.size = true, o.Size
	return newReply(250, "2.1.0", "sender ok"), nil
}

func (c *conn) rcptTo(arg string) (reply, error) {
	if !c.mail {
		return fromError(errSequence), nil
	}
	path, params, err := cutPath(arg, "TO:")
	if err != nil {
		return fromError(err), nil
	}
	o, err := rcptOptions(params)
	if err == nil {
		err = c.sess.Rcpt(path, o)
	}
	if err != nil {
		return fromError(err), nil
	}
	c.rcpts++
	return newReply(250, "2.1.5", "recipient ok"), nil
}

// data takes the message. However it ends, the transaction is over.
func (c *conn) data(arg string) (reply, error) {
	switch {
	case arg != "":
		return newReply(501, "5.5.4", "DATA takes no parameter"), nil
	case !c.mail:
		return fromError(errSequence), nil
	case c.rcpts == 0:
		return fromError(errNoRcpt), nil
	}
	hold := c.srv.o.Messages.Hold(c.owner())
	defer hold.Release()
	if !hold.Reach(max(c.size, 1)) {
		c.srv.reached(mail.LimitInFlight)
		c.reset()
		return fromError(errInFlight), nil
	}
	c.write(reply{code: 354, lines: []string{"end with <CRLF>.<CRLF>"}})
	if err := c.wire.w.Flush(); err != nil {
		return reply{}, err
	}
	defer c.reset()
	o := c.srv.o
	msg, err := c.wire.data(o.MaxSize, hold, o.DataTimeout, o.MessageTimeout)
	switch {
	case errors.Is(err, errDataEnd):
		return fromError(errEnds), nil
	case errors.Is(err, errDataLong):
		return fromError(errLong), nil
	case errors.Is(err, errDataSize):
		return fromError(errBig), nil
	case errors.Is(err, errDataHold):
		c.srv.reached(mail.LimitInFlight)
		return fromError(errInFlight), nil
	case err != nil:
		return reply{}, err // the rest of the message must not be read as commands
	}
	if err = c.sess.Data(content{bytes.NewReader(msg), msg}); err == nil {
		err = errors.New("smtpd: the session gave no reply")
	}
	r := fromError(err)
	if r.code < 300 {
		c.errors, c.spent = 0, 0 // a client that sends good mail all day may err now and then
	}
	return r, nil
}

// owner is who has the share of the message in the budget of all.
func (c *conn) owner() string {
	if s, ok := c.sess.(*session); ok {
		return s.p.ID()
	}
	return c.remote
}

// content is a message for a Session, which need not copy it.
type content struct {
	*bytes.Reader
	octets []byte
}

func (c *conn) rset(string) (reply, error) {
	c.reset()
	return newReply(250, "2.0.0", "forgotten"), nil
}

func (c *conn) noop(string) (reply, error) { return newReply(250, "2.0.0", "ok"), nil }

func (c *conn) quit(string) (reply, error) { return newReply(221, "2.0.0", "bye").closing(), nil }

func (c *conn) vrfy(string) (reply, error) {
	return newReply(252, "2.5.0", "cannot verify, but will take a message"), nil
}

func (c *conn) expn(string) (reply, error) {
	return newReply(502, "5.5.1", "there are no lists here"), nil
}

func (c *conn) help(string) (reply, error) {
	return newReply(214, "2.0.0",
		"EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT (RFC 5321, RFC 6409)"), nil
}
