package smtpd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// conn is the state machine of one connection. It drives a Session of go-smtp
// and lets it see commands in their order only.
type conn struct {
	srv    *Server
	wire   *wire
	secure bool
	ctx    context.Context
	cancel context.CancelFunc
	cid    string
	sess   smtp.AuthSession

	greeted  bool
	mail     bool // MAIL was accepted
	rcpts    int  // RCPTs accepted since
	commands int
	errors   int
	refused  int // credentials
}

func newConn(s *Server, nc net.Conn, implicit bool) *conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{srv: s, ctx: ctx, cancel: cancel, cid: rand.Text()[:10]}
	if implicit {
		nc = tls.Server(nc, s.o.TLSConfig)
		c.secure = true
	}
	c.wire = newWire(nc)
	c.forget()
	return c
}

// forget starts anew, as after a TLS handshake (RFC 3207, 4.2).
func (c *conn) forget() {
	c.sess = c.srv.newSession(c.ctx, c.wire.c.RemoteAddr().String(), c.cid, c.secure)
	c.greeted, c.mail, c.rcpts = false, false, 0
}

// turnAway answers a connection over the limit; its client comes back later.
func (c *conn) turnAway() {
	defer c.wire.c.Close()
	_ = c.wire.c.SetDeadline(time.Now().Add(5 * time.Second))
	c.write(say(421, "4.3.2", "too many connections, try again later"))
	_ = c.wire.w.Flush()
}

// hurry ends the session before its next command.
func (c *conn) hurry() { c.wire.stop() }

// serve runs the session to its end. A panic ends this session and no other.
func (c *conn) serve() {
	defer c.cancel()
	defer c.wire.c.Close()
	defer func() {
		if r := recover(); r != nil {
			c.srv.o.Log.Error("panic", "cid", c.cid, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			c.write(say(421, "4.3.0", "internal error, try again later (ref "+c.cid+")"))
			_ = c.wire.w.Flush()
		}
	}()
	if t, ok := c.wire.c.(*tls.Conn); ok && !c.handshake(t) {
		return
	}
	c.write(reply{code: 220, lines: []string{c.srv.o.Hostname + " ESMTP MultiMail"}})
	for {
		r, verb, err := c.next()
		if err != nil {
			c.bye(err)
			return
		}
		c.srv.o.Metrics.Replies.WithLabelValues(verb, strconv.Itoa(r.code)).Inc()
		c.write(r)
		if r.close {
			_ = c.wire.w.Flush()
			return
		}
	}
}

func (c *conn) handshake(t *tls.Conn) bool {
	ctx, cancel := context.WithTimeout(c.ctx, c.srv.o.CommandTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.srv.o.Log.Info("tls refused", "cid", c.cid, "remote", c.wire.c.RemoteAddr().String(), "err", err)
		return false
	}
	return true
}

// bye tells a client that was too slow, or that must come back later, why.
func (c *conn) bye(err error) {
	var late net.Error
	switch {
	case c.wire.hurried():
		c.write(say(421, "4.3.2", "shutting down, try again later"))
	case errors.As(err, &late) && late.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		c.write(say(421, "4.4.2", "too slow, try again later"))
	}
	_ = c.wire.c.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_ = c.wire.w.Flush()
}

func (c *conn) write(r reply) {
	_ = c.wire.c.SetWriteDeadline(time.Now().Add(c.srv.o.CommandTimeout))
	_, _ = c.wire.w.WriteString(r.String()) // a broken connection shows at the next read
}

// next reads and carries out one command. An error is one of the connection.
func (c *conn) next() (r reply, verb string, err error) {
	line, err := c.wire.line(maxAuthLine, c.srv.o.CommandTimeout)
	c.commands++
	switch {
	case errors.Is(err, errLineLong):
		return c.fault(say(500, "5.5.6", "line too long")), "?", nil
	case errors.Is(err, errLineEnd):
		return c.fault(say(500, "5.5.2", "only CRLF ends a command")), "?", nil
	case err != nil:
		return r, "?", err
	}
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if len(line)+2 > maxCommand && verb != "AUTH" {
		return c.fault(say(500, "5.5.6", "line too long")), "?", nil
	}
	run, known := commands[verb]
	switch {
	case !known && c.commands == 1 && foreign(line):
		return say(421, "5.5.1", "this is not a web server").closing(), "?", nil
	case !known:
		return c.fault(say(500, "5.5.1", "command not recognized")), "?", nil
	}
	r, err = run(c, arg)
	if r.code >= 500 && r.code != 535 || r.code == 503 {
		r = c.fault(r)
	}
	return r, verb, err
}

// foreign reports whether a first line belongs to another protocol: a browser
// that was led here must not get a second line in.
func foreign(line string) bool {
	return strings.Contains(line, " HTTP/") || strings.HasPrefix(line, "GET ") || strings.HasPrefix(line, "POST ")
}

// fault counts an error of the client and hangs up at the last one.
func (c *conn) fault(r reply) reply {
	if c.errors++; c.errors >= c.srv.o.MaxErrors && !r.close {
		return say(421, "4.7.0", "too many errors").closing()
	}
	return r
}

// commands is every verb that is known. An error ends the connection.
var commands map[string]func(c *conn, arg string) (reply, error)

func init() { // a literal would refer to itself
	commands = map[string]func(*conn, string) (reply, error){
		"EHLO": (*conn).ehlo, "HELO": (*conn).helo, "STARTTLS": (*conn).startTLS, "AUTH": (*conn).auth,
		"MAIL": (*conn).mailFrom, "RCPT": (*conn).rcptTo, "DATA": (*conn).data, "RSET": (*conn).rset,
		"NOOP": (*conn).noop, "QUIT": (*conn).quit, "VRFY": (*conn).vrfy, "EXPN": (*conn).expn, "HELP": (*conn).help,
	}
}

func (c *conn) ehlo(arg string) (reply, error) {
	r, err := c.helo(arg)
	if r.code != 250 {
		return r, err
	}
	r.lines = append(r.lines, "PIPELINING", fmt.Sprintf("SIZE %d", c.srv.o.MaxSize), "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
	if m := c.sess.AuthMechanisms(); len(m) > 0 {
		r.lines = append(r.lines, "AUTH "+strings.Join(m, " "))
	}
	if !c.secure {
		r.lines = append(r.lines, "STARTTLS")
	}
	return r, nil
}

// helo greets. Odd names are taken: some clients send a file's name.
func (c *conn) helo(arg string) (reply, error) {
	if arg == "" {
		return say(501, "5.5.4", "a name is expected"), nil
	}
	c.reset()
	c.greeted = true
	return reply{code: 250, lines: []string{c.srv.o.Hostname}}, nil
}

func (c *conn) reset() {
	c.sess.Reset()
	c.mail, c.rcpts = false, 0
}

// startTLS begins TLS. Octets that came with the command would be read after
// the handshake as if they had been protected: with any, it is refused and the
// connection ends.
func (c *conn) startTLS(arg string) (reply, error) {
	switch {
	case arg != "":
		return say(501, "5.5.4", "STARTTLS takes no parameter"), nil
	case c.secure:
		return say(503, "5.5.1", "TLS is active already"), nil
	case c.wire.pending():
		return say(503, "5.5.1", "nothing may follow STARTTLS before the handshake").closing(), nil
	}
	c.write(say(220, "2.0.0", "ready to start TLS"))
	if err := c.wire.w.Flush(); err != nil {
		return reply{}, err
	}
	t := tls.Server(c.wire.c, c.srv.o.TLSConfig)
	if !c.handshake(t) {
		return reply{}, errors.New("TLS handshake failed")
	}
	c.upgrade(t)
	line, verb, err := c.next() // the first command under TLS answers for this one
	_ = verb
	return line, err
}

// upgrade goes on over t. Everything said before is forgotten.
func (c *conn) upgrade(t *tls.Conn) {
	c.wire.swap(t)
	c.secure = true
	c.forget()
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
	c.mail = true
	return say(250, "2.1.0", "sender ok"), nil
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
	return say(250, "2.1.5", "recipient ok"), nil
}

// data takes the message. However it ends, the transaction is over.
func (c *conn) data(arg string) (reply, error) {
	switch {
	case arg != "":
		return say(501, "5.5.4", "DATA takes no parameter"), nil
	case !c.mail:
		return fromError(errSequence), nil
	case c.rcpts == 0:
		return say(554, "5.5.1", "no valid recipients"), nil
	}
	c.write(reply{code: 354, lines: []string{"end with <CRLF>.<CRLF>"}})
	if err := c.wire.w.Flush(); err != nil {
		return reply{}, err
	}
	defer c.reset()
	o := c.srv.o
	msg, err := c.wire.data(o.MaxSize, o.DataTimeout, o.MessageTimeout)
	switch {
	case errors.Is(err, errDataEnd):
		return say(554, "5.6.0", "only CRLF ends a line, and NUL is not allowed: send the message with CRLF line ends"), nil
	case errors.Is(err, errDataLong):
		return say(554, "5.6.0", "a line is longer than 998 octets: encode the message as quoted-printable or base64"), nil
	case errors.Is(err, errDataSize):
		return fromError(errBig), nil
	case err != nil:
		return reply{}, err // the rest of the message must not be read as commands
	}
	if err = c.sess.Data(bytes.NewReader(msg)); err == nil {
		err = errors.New("smtpd: the session gave no reply")
	}
	return fromError(err), nil
}

func (c *conn) rset(string) (reply, error) {
	c.reset()
	return say(250, "2.0.0", "forgotten"), nil
}

func (c *conn) noop(string) (reply, error) { return say(250, "2.0.0", "ok"), nil }

func (c *conn) quit(string) (reply, error) { return say(221, "2.0.0", "bye").closing(), nil }

func (c *conn) vrfy(string) (reply, error) {
	return say(252, "2.5.0", "cannot verify, but will take a message"), nil
}

func (c *conn) expn(string) (reply, error) {
	return say(502, "5.5.1", "there are no lists here"), nil
}

func (c *conn) help(string) (reply, error) {
	return say(214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT (RFC 5321, RFC 6409)"), nil
}

// auth runs one SASL exchange (RFC 4954).
func (c *conn) auth(arg string) (reply, error) {
	mech, initial, hasInitial := strings.Cut(arg, " ")
	switch {
	case !c.greeted || c.mail:
		return fromError(errSequence), nil
	case mech == "":
		return fromError(errSyntax), nil
	}
	server, err := c.sess.Auth(strings.ToUpper(mech))
	if err != nil {
		return fromError(err), nil
	}
	var response []byte
	if hasInitial {
		if response, err = decodeSASL(initial); err != nil {
			return fromError(err), nil
		}
	}
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			return c.authRefused(err)
		}
		if done {
			c.refused = 0
			return say(235, "2.7.0", "welcome"), nil
		}
		c.write(reply{code: 334, lines: []string{base64.StdEncoding.EncodeToString(challenge)}})
		line, err := c.wire.line(maxAuthLine, c.srv.o.CommandTimeout)
		switch {
		case errors.Is(err, errLineLong), errors.Is(err, errLineEnd):
			return say(500, "5.5.6", "malformed response"), nil
		case err != nil:
			return reply{}, err
		case line == "*":
			return say(501, "5.7.0", "cancelled"), nil
		}
		if response, err = decodeSASL(line); err != nil {
			return fromError(err), nil
		}
	}
}

// decodeSASL decodes a response; "=" is the empty one.
func decodeSASL(s string) ([]byte, error) {
	if s == "=" {
		return []byte{}, nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "malformed base64"}
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// authRefused answers refused credentials, each time later, and hangs up
// after a few: guessing must not be cheap.
func (c *conn) authRefused(err error) (reply, error) {
	r := fromError(err)
	var e *smtp.SMTPError
	if !errors.As(err, &e) { // what go-sasl says of a malformed exchange
		r = say(501, "5.5.2", "malformed response")
		if errors.Is(err, sasl.ErrUnexpectedClientResponse) {
			r = say(501, "5.5.2", "unexpected response")
		}
	}
	c.refused++
	t := time.NewTimer(time.Duration(c.refused) * c.srv.o.AuthDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
	if c.refused >= c.srv.o.MaxAuth {
		return say(421, "4.7.0", "too many refused credentials").closing(), nil
	}
	return r, nil
}
