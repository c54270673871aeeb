package smtpd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// backend makes sessions, for our own connections and, in tests, for the
// server of go-smtp.
type backend struct{ s *Server }

var (
	_ smtp.Backend     = backend{}
	_ smtp.AuthSession = (*session)(nil)
)

// NewSession implements smtp.Backend.
func (b backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	return b.s.newSession(context.Background(), c.Conn().RemoteAddr().String(), "go-smtp", secure), nil
}

// session is what the commands of one connection mean: one principal, and one
// transaction at a time.
type session struct {
	s      *Server
	ctx    context.Context
	log    *slog.Logger
	cid    string // names the connection in the log and in replies
	remote string
	secure bool

	p      registry.Principal
	authed bool
	env    mail.Envelope
	open   bool // MAIL was accepted
}

func (s *Server) newSession(ctx context.Context, remote, cid string, secure bool) *session {
	return &session{s: s, ctx: ctx, log: s.o.Log, cid: cid, remote: remote, secure: secure}
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if !s.secure {
		return nil
	}
	return mechanisms
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mech string) (sasl.Server, error) {
	switch {
	case !s.secure:
		return nil, &smtp.SMTPError{Code: 538, EnhancedCode: smtp.EnhancedCode{5, 7, 11}, Message: "issue STARTTLS first: passwords travel only under TLS"}
	case s.authed || s.open:
		return nil, errSequence
	case !slices.Contains(mechanisms, mech):
		return nil, &smtp.SMTPError{Code: 504, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "unknown authentication mechanism"}
	}
	return newSASL(mech, func(user, password string) error {
		p, err := s.s.auth.ByPassword(s.ctx, user, password, s.remote)
		if err != nil {
			s.s.o.Metrics.AuthFailures.WithLabelValues("smtp").Inc()
			s.log.Info("auth refused", "cid", s.cid, "remote", s.remote)
			return credentials(err, s.log, s.cid)
		}
		s.p, s.authed = p, true
		s.log.Info("auth", "cid", s.cid, "actor", p.ID(), "remote", s.remote)
		return nil
	})
}

var (
	errSequence = &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "bad sequence of commands"}
	errLogin    = &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authentication required"}
	errNull     = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "sender not permitted: agents may not use the null sender"}
	errMany     = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 5, 3}, Message: "too many recipients; send to fewer at a time"}
	errUTF8     = &smtp.SMTPError{Code: 555, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: "SMTPUTF8 is not offered"}
	errBig      = &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "message too large"}
)

// Reset implements smtp.Session: the transaction is forgotten.
func (s *session) Reset() { s.env, s.open = mail.Envelope{}, false }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session. The address is parsed here, once; from then on
// it is written from its type (LAW 9).
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	switch {
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
	if err == nil {
		err = s.s.gate.Admit(s.ctx, s.p, a)
	}
	if err != nil {
		return public(err, s.log, s.cid)
	}
	s.env = mail.Envelope{From: a, Body: string(o.Body), Ret: string(o.Return), EnvID: o.EnvelopeID}
	s.open = true
	return nil
}

// Rcpt implements smtp.Session. A recipient given twice counts once.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	if !s.open {
		return errSequence
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
	r := mail.Rcpt{Addr: a, Standing: mail.Pending}
	for _, n := range o.Notify {
		r.Notify = append(r.Notify, string(n))
	}
	if o.OriginalRecipient != "" {
		r.ORcpt = string(o.OriginalRecipientType) + ";" + o.OriginalRecipient
	}
	s.env.Rcpts = append(s.env.Rcpts, r)
	return nil
}

// Data implements smtp.Session. Its reply names the mail in the form from
// which client libraries take an id; a held mail says so in a line before it.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return public(err, s.log, s.cid)
	}
	receipt, err := s.s.gate.Submit(s.ctx, s.p, gate.Submission{
		Mailbox: s.env.From, Envelope: s.env, Raw: raw, Door: "smtp", TLS: s.secure,
	})
	if err != nil {
		return public(err, s.log, s.cid)
	}
	text := fmt.Sprintf("Ok: queued as %s", receipt.Mail.ID)
	if receipt.Mail.State == mail.Held {
		text = fmt.Sprintf("%s held for approval\n%s", receipt.Mail.ID, text)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: text}
}
