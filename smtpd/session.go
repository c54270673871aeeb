package smtpd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

var _ smtp.AuthSession = (*session)(nil)

// session is what the commands of one connection mean: one principal, and one
// transaction at a time.
type session struct {
	s      *Server
	ctx    context.Context
	log    *slog.Logger
	cid    string // names the connection in the log and in replies
	remote string
	secure bool
	tls    *tls.ConnectionState // of the handshake; nil without one

	p      registry.Principal
	authed bool
	env    mail.Envelope
	open   bool // MAIL was accepted
}

func (s *Server) newSession(c *conn) *session {
	return &session{s: s, ctx: s.work, log: s.o.Log, cid: c.cid, remote: c.remote, secure: c.secure, tls: c.tls}
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if !s.secure {
		return nil
	}
	return s.offered()
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mech string) (sasl.Server, error) {
	switch {
	case !s.secure:
		return nil, errPlain
	case s.authed || s.open:
		return nil, errSequence
	}
	if !slices.Contains(s.offered(), mech) {
		return nil, errMechanism
	}
	return s.mechanism(mech)
}

// Reset implements smtp.Session: the transaction is forgotten.
func (s *session) Reset() { s.env, s.open = mail.Envelope{}, false }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session. The address is parsed here, once; from then on
// it is written from its type (invariant 9).
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	switch {
	case !s.secure:
		return errLoginPlain
	case !s.authed:
		return errLogin
	case s.open:
		return errSequence
	case from == "":
		return errNull
	case o.UTF8:
		return errUTF8
	case o.Size > s.s.o.MaxSize:
		return errBig
	}
	a, err := mail.ParseAddress(from)
	if err != nil {
		e := public(err, s.log, s.cid)
		e.EnhancedCode = smtp.EnhancedCode{5, 1, 7} // 5.1.3 is of a recipient (RFC 3463, 3.2)
		return e
	}
	if err := s.s.gate.Admit(s.ctx, s.p, a, o.Size, codes); err != nil {
		return public(err, s.log, s.cid)
	}
	s.env = mail.Envelope{From: a, Body: string(o.Body), Ret: string(o.Return), EnvID: o.EnvelopeID}
	s.open = true
	return nil
}

// Rcpt implements smtp.Session. A recipient given twice counts once.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	switch {
	case !s.open:
		return errSequence
	case strings.EqualFold(to, "postmaster"):
		return errPostmaster // RFC 5321, 4.1.1.3: ours would be meant, and no mail ends here
	}
	a, err := mail.ParseAddress(to)
	if err != nil {
		return public(err, s.log, s.cid)
	}
	for _, r := range s.env.Rcpts {
		if r.Addr == a {
			return nil
		}
	}
	if len(s.env.Rcpts) >= s.s.o.MaxRecipients {
		return errMany
	}
	if err := s.s.gate.AdmitRecipient(s.ctx, s.p, s.env.From, a, codes); err != nil {
		return public(err, s.log, s.cid)
	}
	r := mail.Rcpt{Addr: a, Standing: mail.Pending}
	for _, n := range o.Notify {
		r.Notify = append(r.Notify, string(n))
	}
	if o.OriginalRecipient != "" {
		r.ORcpt = strings.ToLower(string(o.OriginalRecipientType)) + ";" + o.OriginalRecipient
	}
	s.env.Rcpts = append(s.env.Rcpts, r)
	return nil
}

// Data implements smtp.Session. Its reply names the mail in the form from
// which client libraries take an id; for a held mail a line before it says so.
func (s *session) Data(r io.Reader) error {
	raw, err := octets(r)
	if err != nil {
		return public(err, s.log, s.cid)
	}
	receipt, err := s.s.gate.Submit(s.ctx, s.p, gate.Submission{
		Mailbox: s.env.From, Envelope: s.env, Raw: raw, Door: door, TLS: s.secure, Codes: codes,
	})
	if err != nil {
		return public(err, s.log, s.cid)
	}
	m := receipt.Mail
	s.log.Info(logReceived, "mail", m.ID, "cid", s.cid, "door", door, "agent", s.p.Agent,
		"from", s.env.From.String(), "state", m.State, "remote", s.remote)
	text := fmt.Sprintf("Ok: queued as %s", m.ID)
	if m.State == mail.Held {
		text = fmt.Sprintf("%s held for approval\n%s", m.ID, text)
	}
	return refusal(250, smtp.EnhancedCode{2, 0, 0}, text) // go-smtp has no other way to reply with a text
}

// octets returns what r holds; our own connection has it in one piece.
func octets(r io.Reader) ([]byte, error) {
	if c, ok := r.(content); ok {
		return c.octets, nil
	}
	return io.ReadAll(r)
}
