package smtpd

import (
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// profile is what one door does its own way. Everything else of a session, from the
// first octet to the reply to the final dot, is the same code at all of them.
type profile struct {
	door     string // in the log, in replies and in the mail
	protocol string // of the greeting: ESMTP or LMTP
	help     string // reply to HELP

	verbs    map[string]verb
	params   []string                                     // of MAIL and RCPT
	keywords func(c *conn) []string                       // of EHLO or LHLO, beside those of every door
	session  func(c *conn) smtp.Session                   // for a connection, and anew after its TLS handshake
	listener func(c *conn) string                         // label of mail_smtp_sessions_total
	perRcpt  bool                                         // a reply for each recipient follows DATA (RFC 2033, 4.2)
	noRcpt   *smtp.SMTPError                              // reply to DATA without a recipient
	long     *smtp.SMTPError                              // reply to a longer line
	longest  mail.Limit                                   // what it is counted as
	maxText  int                                          // octets of a line of a message, with its CRLF
	source   func(host string) (key string, limited bool) // what limits per source count a host by
	tooMany  mail.Limit                                   // connections at the same time
	tooNear  mail.Limit                                   // connections at the same time from one source
	rate     *throttle.Rate                               // connections a minute from one source; nil for no limit
}

// everywhere are the verbs of every door, beside that which greets.
func everywhere(more map[string]verb) map[string]verb {
	all := map[string]verb{
		"STARTTLS": (*conn).startTLS, "MAIL": (*conn).mailFrom, "RCPT": (*conn).rcptTo, "DATA": (*conn).data,
		"RSET": (*conn).rset, "NOOP": (*conn).noop, "QUIT": (*conn).quit, "VRFY": (*conn).vrfy,
		"EXPN": (*conn).expn, "HELP": (*conn).help,
	}
	for name, v := range more {
		all[name] = v
	}
	return all
}

// submission is the profile of the door for agents.
func (s *Server) submission() profile {
	return profile{
		door: door, protocol: "ESMTP",
		help:   "EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT (RFC 5321, RFC 6409)",
		verbs:  everywhere(map[string]verb{"EHLO": (*conn).ehlo, "HELO": (*conn).helo, "AUTH": (*conn).auth}),
		params: []string{"SIZE", "BODY", "RET", "ENVID", "AUTH", "NOTIFY", "ORCPT"},
		keywords: func(c *conn) []string {
			words := []string{"DSN"}
			if m := c.sess.(smtp.AuthSession).AuthMechanisms(); len(m) > 0 {
				words = append(words, "AUTH "+strings.Join(m, " "))
			}
			return words
		},
		session: func(c *conn) smtp.Session { return s.newSession(c) },
		listener: func(c *conn) string {
			if c.secure {
				return "submissions"
			}
			return "submission"
		},
		noRcpt: errNoRcpt, maxText: maxText, long: errLong, longest: mail.LimitLineLength, source: throttle.Source,
		tooMany: mail.LimitConnections, tooNear: mail.LimitSourceConnections,
	}
}
