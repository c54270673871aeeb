package smtpd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

// How long a client may take where no limit of RFC 5321 applies.
const (
	handshakeTime = 30 * time.Second
	farewellTime  = 5 * time.Second
)

// conn is the state machine of one connection. It drives a Session of go-smtp
// and passes on commands only in an order that the protocol allows.
type conn struct {
	srv    *Server
	wire   *wire
	secure bool
	tls    *tls.ConnectionState // of the handshake; nil before it
	cid    string               // names the connection in the log and in replies
	remote string               // host of the client, without its port
	sess   smtp.Session

	since    time.Time // when it was accepted, or the last mail was taken
	known    bool      // a login succeeded
	greeted  bool
	extended bool     // by EHLO or LHLO, not by HELO
	hello    string   // what the client called itself
	mail     bool     // MAIL was accepted
	rcpts    []string // paths of the RCPTs accepted since, as they were given
	errors   int      // replies of 5xx since the last mail that was taken
	refused  int      // credentials since the last that were right
	spent    int      // commands since the login or the last mail that was taken
	size     int64    // what MAIL declared; 0 for nothing
}

func newConn(s *Server, nc net.Conn, implicit bool) *conn {
	c := &conn{srv: s, cid: rand.Text()[:10], since: time.Now(), remote: host(nc.RemoteAddr())}
	if implicit {
		nc = tls.Server(nc, s.o.TLSConfig)
		c.secure = true
	}
	c.wire = newWire(nc)
	c.wire.maxText = s.p.maxText
	c.forget()
	return c
}

// forget starts anew, as after a TLS handshake (RFC 3207, 4.2).
func (c *conn) forget() {
	c.sess = c.srv.p.session(c)
	c.known, c.greeted, c.hello, c.mail, c.rcpts, c.size = false, false, "", false, nil, 0
}

// finish ends the session before its next command.
func (c *conn) finish() { c.wire.stop() }

// serve runs the session to its end. A panic ends this session and no other.
func (c *conn) serve() {
	defer c.wire.close()
	defer func() {
		if r := recover(); r != nil {
			c.srv.o.Log.Error(logPanic, "cid", c.cid, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			c.write(newReply(421, "4.3.0", "internal error, try again later (ref "+c.cid+")"))
			_ = c.wire.w.Flush()
		}
	}()
	if t, ok := c.wire.c.(*tls.Conn); ok && !c.handshake(t) {
		return
	}
	c.write(reply{code: 220, lines: []string{c.srv.o.Hostname + " " + c.srv.p.protocol + " MultiMail"}})
	for {
		r, verb, err := c.next()
		if err != nil {
			c.last(err)
			return
		}
		c.note(r, verb)
		c.write(r)
		switch {
		case r.close:
			_ = c.wire.w.Flush()
			return
		case r.upgrade:
			if !c.upgrade() {
				return
			}
		}
	}
}

// note counts a reply, and logs it when it refuses a transaction.
func (c *conn) note(r reply, verb string) {
	c.srv.o.Metrics.Replies.WithLabelValues(verb, strconv.Itoa(r.code)).Inc()
	if r.code >= 400 && (verb == "MAIL" || verb == "RCPT" || verb == "DATA") {
		c.srv.o.Log.Info(logRefused, "cid", c.cid, "door", c.srv.p.door, "verb", verb, "code", r.code,
			"enhanced", r.enhanced, "remote", c.remote)
	}
	for _, next := range r.more {
		c.note(next, verb)
	}
}

// handshake begins TLS. The state of the session before it is dropped.
func (c *conn) handshake(t *tls.Conn) bool {
	ctx, cancel := context.WithTimeout(c.srv.accepting, handshakeTime)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.srv.o.Log.Info(logTLSRefused, "cid", c.cid, "door", c.srv.p.door, "remote", c.remote, "err", err)
		return false
	}
	state := t.ConnectionState()
	c.secure, c.tls = true, &state
	c.forget()
	return true
}

// upgrade goes on under TLS.
func (c *conn) upgrade() bool {
	if c.wire.w.Flush() != nil {
		return false
	}
	t := tls.Server(c.wire.c, c.srv.o.TLSConfig)
	if !c.handshake(t) {
		return false
	}
	c.wire.swap(t)
	return true
}

// last sends the last reply: why the connection ends, where the client should know.
func (c *conn) last(err error) {
	var late net.Error
	switch {
	case errors.Is(err, errStopped):
		c.write(newReply(421, "4.3.2", "shutting down, try again later"))
	case errors.Is(err, errEndless):
		c.srv.reached(mail.LimitEndlessLine)
		c.write(newReply(500, "5.5.2", "this line has no end"))
	case errors.As(err, &late) && late.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		c.srv.reached(mail.LimitSMTPTime)
		c.write(newReply(421, "4.4.2", "too slow, try again later"))
	}
	_ = c.wire.c.SetWriteDeadline(time.Now().Add(farewellTime))
	_ = c.wire.w.Flush()
}

func (c *conn) write(r reply) {
	_ = c.wire.c.SetWriteDeadline(time.Now().Add(c.srv.o.CommandTimeout))
	_, _ = c.wire.w.WriteString(r.String()) // a broken connection shows at the next read
}

// timeout is how long the next command may take. Before the login, or where there is
// none between two mails, one timeout covers everything: NOOP does not keep a connection.
func (c *conn) timeout() time.Duration {
	if c.known {
		return c.srv.o.CommandTimeout
	}
	return min(c.srv.o.CommandTimeout, time.Until(c.since.Add(c.srv.o.LoginTimeout)))
}

// next reads and carries out one command. An error is one of the connection.
func (c *conn) next() (r reply, verb string, err error) {
	line, err := c.wire.line(maxAuthLine, c.timeout())
	switch {
	case errors.Is(err, errLineLong) && strings.HasPrefix(strings.ToUpper(line), "AUTH "):
		c.srv.reached(mail.LimitAuthLine)
		return c.fault(newReply(500, "5.5.6", "line too long")), "AUTH", nil
	case errors.Is(err, errLineLong):
		return c.fault(newReply(500, "5.5.2", "line too long")), "?", nil
	case errors.Is(err, errLineEnd):
		return c.fault(newReply(500, "5.5.2", "only CRLF ends a command")), "?", nil
	case err != nil:
		return r, "?", err
	}
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	run := c.srv.p.verbs[verb]
	if c.spent++; c.spent > c.srv.o.MaxCommands+c.srv.o.MaxRecipients && verb != "QUIT" {
		c.srv.reached(mail.LimitCommands)
		return newReply(421, "4.7.0", "too many commands without a message; connect again").closing(), "?", nil
	}
	switch {
	case len(line)+len(crlf) > maxCommand && verb != "AUTH":
		return c.fault(newReply(500, "5.5.2", "line too long")), "?", nil
	case run == nil && isHTTP(verb, arg):
		return newReply(421, "4.7.0", "this is not a web server").closing(), "?", nil
	case run == nil:
		return c.fault(newReply(500, "5.5.1", "command not recognized")), "?", nil
	case strings.ContainsFunc(arg, isControl):
		return c.fault(newReply(501, "5.5.2", "control characters are not allowed")), verb, nil
	}
	if r, err = run(c, arg); r.code >= 500 && r.more == nil { // each of several replies is one of a recipient
		r = c.fault(r)
	}
	return r, verb, err
}

// isControl finds what has no place in any command. Clients send odd names with
// EHLO, a file name in UTF-8 among them: the rest is left to the commands.
func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// isHTTP reports whether a line belongs to HTTP: a browser that was led here
// must not send another line.
func isHTTP(verb, arg string) bool {
	switch verb {
	case "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PRI":
		return true
	}
	return strings.Contains(arg, " HTTP/")
}

// fault counts an error of the client; at the last one the connection is closed.
func (c *conn) fault(r reply) reply {
	if c.errors++; c.errors >= c.srv.o.MaxErrors && !r.close {
		c.srv.reached(mail.LimitErrors)
		return newReply(421, "4.7.0", "too many errors").closing()
	}
	return r
}

// host returns the host of an address; it may stand in the audit log.
func host(a net.Addr) string {
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return a.String()
}
