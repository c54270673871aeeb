package smtpd

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

// auth runs one SASL exchange (RFC 4954).
func (c *conn) auth(arg string) (reply, error) {
	// QUIRK: some clients put a blank after the mechanism; it is no response.
	mech, initial, hasInitial := strings.Cut(strings.TrimRight(arg, " "), " ")
	switch {
	case !c.greeted || c.mail:
		return fromError(errSequence), nil
	case mech == "":
		return fromError(errSyntax), nil
	}
	login, ok := c.sess.(smtp.AuthSession)
	if !ok {
		return fromError(errMechanism), nil
	}
	server, err := login.Auth(strings.ToUpper(mech))
	if err != nil {
		return fromError(err), nil
	}
	var response []byte // nil is no response, unlike an empty one
	if hasInitial {
		if response, err = decodeSASL(initial); err != nil {
			return fromError(err), nil
		}
	}
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			return c.authRefused(err), nil
		}
		if done {
			c.refused, c.spent = 0, 0
			c.known = true
			return newReply(235, "2.7.0", "welcome"), nil
		}
		var r reply
		if response, r, err = c.ask(challenge); err != nil {
			return r, err
		}
		if r.code != 0 {
			return c.ended(server, r), nil
		}
	}
}

// ended returns the reply to a client that ends an exchange. Where its token was
// refused already, that counts, whatever the client says to it.
func (c *conn) ended(server sasl.Server, r reply) reply {
	b, ok := server.(*bearer)
	if !ok || b.refused == nil {
		return r
	}
	if refused := c.authRefused(b.refused); refused.close {
		return refused
	}
	return r
}

// ask puts one question of a mechanism to the client. It returns the response,
// or the reply that ends the exchange.
func (c *conn) ask(challenge []byte) ([]byte, reply, error) {
	c.write(reply{code: 334, lines: []string{base64.StdEncoding.EncodeToString(challenge)}})
	line, err := c.wire.line(maxAuthLine, c.timeout())
	switch {
	case errors.Is(err, errLineLong):
		c.srv.reached(mail.LimitAuthLine)
		return nil, newReply(500, "5.5.6", "line too long"), nil
	case errors.Is(err, errLineEnd):
		return nil, newReply(500, "5.5.2", "only CRLF ends a line"), nil
	case err != nil:
		return nil, reply{}, err
	case line == "*":
		return nil, newReply(501, "5.7.0", "cancelled"), nil
	}
	response, err := decodeSASL(line)
	if err != nil {
		return nil, fromError(err), nil
	}
	return response, reply{}, nil
}

// decodeSASL decodes a response; "=" is the empty one. What it returns is never nil.
func decodeSASL(s string) ([]byte, error) {
	if s == "=" {
		return []byte{}, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errBase64
	}
	return append([]byte{}, b...), nil
}

// authRefused answers refused credentials, each time later, and closes the
// connection after a few: guessing must not be cheap. A malformed exchange,
// for which go-sasl has an error of its own, does not count as a credential.
func (c *conn) authRefused(err error) reply {
	var e *smtp.SMTPError
	if !errors.As(err, &e) {
		return newReply(501, "5.5.2", "malformed response")
	}
	r := fromError(e)
	c.refused++
	delay := time.Duration(c.refused) * c.srv.o.AuthDelay
	if e == errAccountGuesses {
		delay = c.srv.o.AccountDelay
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.srv.accepting.Done():
	}
	if r.code == 421 {
		return r.closing()
	}
	if c.refused >= c.srv.o.MaxAuth {
		return newReply(421, "4.7.0", "too many refused credentials").closing()
	}
	return r
}
