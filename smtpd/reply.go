package smtpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// reply is one SMTP reply. Lines of EHLO and banners have no enhanced code.
type reply struct {
	code     int
	enhanced string // "5.7.1", or ""
	lines    []string
	close    bool // the connection is closed after it
}

func say(code int, enhanced, text string) reply {
	return reply{code: code, enhanced: enhanced, lines: []string{text}}
}

// closing says the same and hangs up.
func (r reply) closing() reply {
	r.close = true
	return r
}

// String writes the reply for the wire. Text is made printable ASCII of one
// line, whoever wrote it: a reply can not be split.
func (r reply) String() string {
	var b strings.Builder
	for i, l := range r.lines {
		sep := "-"
		if i == len(r.lines)-1 {
			sep = " "
		}
		fmt.Fprintf(&b, "%03d%s", r.code, sep)
		if r.enhanced != "" {
			b.WriteString(r.enhanced + " ")
		}
		b.WriteString(plain(l))
		b.WriteString("\r\n")
	}
	return b.String()
}

// plain makes s printable ASCII, at most as long as a reply line may be.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
	return s[:min(len(s), 480)]
}

// fromError translates what a session returned: the one place where errors
// become replies. Success with words of its own is an SMTPError too.
func fromError(err error) reply {
	var e *smtp.SMTPError
	if !errors.As(err, &e) {
		return say(451, "4.3.0", "internal error, try again later")
	}
	r := reply{code: e.Code, lines: strings.Split(e.Message, "\n")}
	if e.EnhancedCode != smtp.NoEnhancedCode && e.EnhancedCode != smtp.EnhancedCodeNotSet {
		r.enhanced = fmt.Sprintf("%d.%d.%d", e.EnhancedCode[0], e.EnhancedCode[1], e.EnhancedCode[2])
	}
	return r
}

// public makes an SMTPError of what a room returned. Only a mail.Error has
// words for strangers; of everything else the client learns where to ask.
func public(err error, log *slog.Logger, cid string) *smtp.SMTPError {
	var e *mail.Error
	if errors.As(err, &e) {
		return &smtp.SMTPError{Code: e.Code, EnhancedCode: enhanced(e.Enhanced), Message: strings.ReplaceAll(e.Public, "\n", " ")}
	}
	if !errors.Is(err, context.Canceled) {
		log.Error("internal", "cid", cid, "err", err)
	}
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0},
		Message: "internal error, try again later (ref " + cid + ")"}
}

// credentials makes an SMTPError of a failed login: 535 for what is wrong and
// stays wrong, 454 for what may pass.
func credentials(err error, log *slog.Logger, cid string) *smtp.SMTPError {
	if errors.Is(err, registry.ErrCredentials) {
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "authentication credentials invalid"}
	}
	log.Error("internal", "cid", cid, "err", err)
	return &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "cannot check credentials now, try again later"}
}

func enhanced(s string) smtp.EnhancedCode {
	var c smtp.EnhancedCode
	if n, err := fmt.Sscanf(s, "%d.%d.%d", &c[0], &c[1], &c[2]); n != 3 || err != nil {
		return smtp.NoEnhancedCode
	}
	return c
}
