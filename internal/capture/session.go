package capture

import (
	"io"
	"log/slog"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// session is one connection. It takes any sender and any recipient.
type session struct {
	server *Server
	from   string
	to     []string
}

var _ smtp.Session = (*session)(nil)

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = quoted(from)
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, quoted(to))
	return nil
}

// Data writes the message down before it is acknowledged.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // go-smtp's own: too large, or the connection broke
	}
	if err := s.server.write(s.from, s.to, raw); err != nil {
		slog.Error("deferred", "door", "capture", "err", err)
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1},
			Message: "Cannot write the message"}
	}
	return nil
}

// requote writes what a quoted string must escape.
var requote = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// quoted undoes what go-smtp's server does to an address: it takes the quotes
// off a local part that needs them.
func quoted(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	if _, err := mail.ParseAddress(addr); err == nil || at < 0 {
		return addr
	}
	if a, err := mail.ParseAddress(`"` + requote.Replace(addr[:at]) + `"` + addr[at:]); err == nil {
		return a.String()
	}
	return addr
}

// idOf returns the id in the trace field this project writes, or "unknown". It
// becomes a file name, so it is an id or nothing (invariant 9).
func idOf(raw []byte) string {
	for _, v := range message.Fields(raw, "Received") {
		f := strings.Fields(v) // by HOST (MultiMail) with PROTOCOL id ID; DATE
		if len(f) < 7 || f[0] != "by" || f[2] != "(MultiMail)" || f[5] != "id" {
			continue
		}
		if id, err := mail.ParseID(strings.TrimSuffix(f[6], ";")); err == nil {
			return string(id)
		}
	}
	return unknown
}
