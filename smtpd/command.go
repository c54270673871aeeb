package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// verb carries out a command. An error it returns is one of the connection, which
// ends with it.
type verb func(c *conn, arg string) (reply, error)

func (c *conn) ehlo(arg string) (reply, error) {
	r, err := c.helo(arg)
	if r.code != 250 {
		return r, err
	}
	r.lines = append(r.lines, "PIPELINING", fmt.Sprintf("SIZE %d", c.srv.o.MaxSize), "8BITMIME",
		"ENHANCEDSTATUSCODES")
	r.lines = append(r.lines, c.srv.p.keywords(c)...)
	if !c.secure && c.srv.o.TLSConfig != nil {
		r.lines = append(r.lines, "STARTTLS")
	}
	c.extended = true
	return r, nil
}

// helo greets. What the client calls itself decides nothing here.
//
// QUIRK: odd names are taken; some clients send a file's name.
func (c *conn) helo(arg string) (reply, error) {
	if strings.TrimSpace(arg) == "" {
		return newReply(501, "5.5.4", "a name is expected"), nil
	}
	c.reset()
	c.greeted, c.hello, c.extended = true, strings.TrimSpace(arg), false
	return reply{code: 250, lines: []string{c.srv.o.Hostname}}, nil
}

func (c *conn) reset() {
	c.sess.Reset()
	c.mail, c.rcpts, c.size = false, nil, 0
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
	case c.srv.o.TLSConfig == nil:
		return newReply(502, "5.5.1", "TLS is not offered"), nil
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
	o, err := mailOptions(params, c.srv.p.params)
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
	o, err := rcptOptions(params, c.srv.p.params)
	if err == nil {
		err = c.sess.Rcpt(path, o)
	}
	if err != nil {
		return fromError(err), nil
	}
	c.rcpts = append(c.rcpts, path)
	return newReply(250, "2.1.5", "recipient ok"), nil
}

// data takes the message. However it ends, the transaction is over.
func (c *conn) data(arg string) (reply, error) {
	switch {
	case arg != "":
		return newReply(501, "5.5.4", "DATA takes no parameter"), nil
	case !c.mail:
		return fromError(errSequence), nil
	case len(c.rcpts) == 0:
		return fromError(c.srv.p.noRcpt), nil
	}
	hold := c.srv.o.Messages.Hold(c.owner())
	defer hold.Release()
	announced := int64(1)
	if c.known { // what a stranger announces takes no memory from others: only what it sends
		announced = max(c.size, 1)
	}
	if !hold.Reach(announced) {
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
		return c.toEach(errEnds), nil
	case errors.Is(err, errDataLong):
		c.srv.reached(c.srv.p.longest)
		return c.toEach(c.srv.p.long), nil
	case errors.Is(err, errDataSize):
		return c.toEach(errBig), nil
	case errors.Is(err, errDataHold):
		c.srv.reached(mail.LimitInFlight)
		return c.toEach(errInFlight), nil
	case err != nil:
		return reply{}, err // the rest of the message must not be read as commands
	}
	r := c.hand(content{bytes.NewReader(msg), msg})
	if r.took() {
		// A client that sends good mail all day may err now and then.
		c.errors, c.spent, c.since = 0, 0, time.Now()
	}
	return r, nil
}

// hand gives a message to the session, and returns the reply to it.
func (c *conn) hand(msg content) reply {
	if s, ok := c.sess.(smtp.LMTPSession); ok && c.srv.p.perRcpt {
		said := newStatuses(c.rcpts)
		return said.reply(s.LMTPData(msg, said))
	}
	err := c.sess.Data(msg)
	if err == nil {
		err = errNoReply
	}
	return fromError(err)
}

// toEach refuses a message that was read: over LMTP once for each recipient.
func (c *conn) toEach(err error) reply {
	if c.srv.p.perRcpt {
		return newStatuses(c.rcpts).reply(err)
	}
	return fromError(err)
}

// owner is who has the share of the message in the budget of all.
func (c *conn) owner() string {
	if s, ok := c.sess.(*session); ok {
		return s.p.ID()
	}
	source, _ := throttle.Source(c.remote)
	return source
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

// noLogin says to an agent that it has the wrong port.
func (c *conn) noLogin(string) (reply, error) { return fromError(errNoLogin), nil }

func (c *conn) expn(string) (reply, error) {
	return newReply(502, "5.5.1", "there are no lists here"), nil
}

func (c *conn) help(string) (reply, error) {
	return newReply(214, "2.0.0", c.srv.p.help), nil
}
