package smtpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// reply is one SMTP reply. Lines of EHLO and banners have no enhanced code.
type reply struct {
	code     int
	enhanced string // "5.7.1", or ""
	lines    []string
	close    bool // the connection is closed after it
	upgrade  bool // TLS begins after it

	more []reply // that follow it: LMTP has one for each recipient (RFC 2033, 4.2)
}

func newReply(code int, enhanced, text string) reply {
	return reply{code: code, enhanced: enhanced, lines: []string{text}}
}

// closing is the same reply; the connection is closed after it.
func (r reply) closing() reply {
	r.close = true
	return r
}

// took reports whether the message was taken, for one recipient at least.
func (r reply) took() bool {
	return r.code < 300 || slices.ContainsFunc(r.more, func(next reply) bool { return next.code < 300 })
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
	for _, next := range r.more {
		b.WriteString(next.String())
	}
	return b.String()
}

// plain makes s printable ASCII, at most as long as a reply line may be.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if !mail.IsPrintable(c) {
			return '?'
		}
		return c
	}, s)
	return s[:min(len(s), 480)]
}

// answer is the refusal that the client gets for e.
func answer(e *mail.Error) *smtp.SMTPError {
	s := statusOf(e)
	return refusal(s.code, s.enhanced, strings.ReplaceAll(e.Public, "\n", " "))
}

// refusal is an error with a text for the client.
func refusal(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// What this door refuses by itself. Where an error of mail says the same, the
// codes are those of its table.
var (
	errSequence = refusal(503, smtp.EnhancedCode{5, 5, 1}, "bad sequence of commands")
	errSyntax   = refusal(501, smtp.EnhancedCode{5, 5, 4}, "syntax error in parameters")
	errParam    = refusal(555, smtp.EnhancedCode{5, 5, 4}, "parameter not recognized")
	errUTF8     = refusal(555, smtp.EnhancedCode{5, 6, 7}, "SMTPUTF8 is not offered")

	errPath       = refusal(501, smtp.EnhancedCode{5, 1, 3}, malformed)
	errSenderPath = refusal(501, smtp.EnhancedCode{5, 1, 7}, malformed)
	errPostmaster = refusal(553, smtp.EnhancedCode{5, 1, 3},
		"postmaster of which domain? write <postmaster@domain>")
	errNull   = answer(mail.ReasonSender.Errorf("sender not permitted: agents may not use the null sender"))
	errMany   = answer(mail.ReasonRecipients.Errorf("too many recipients; send to fewer at a time"))
	errNoRcpt = answer(mail.ReasonNoRecipient.Errorf("no valid recipients"))

	errNoReply    = errors.New("smtpd: the session gave no reply")
	errNoRcptLMTP = refusal(503, smtp.EnhancedCode{5, 5, 1}, "no valid recipients") // RFC 2033, 4.2
	errNoLogin    = refusal(502, smtp.EnhancedCode{5, 5, 1},
		"there is no login here: this port takes mail for its own mailboxes; agents use the port for submission")
	errNullMany = answer(mail.ReasonRecipients.Errorf(
		"a mail without a sender goes to one recipient; send the others a mail of their own"))
	errTight = answer(mail.ReasonRecipients.Errorf(
		"there may be no room for this mail in one of its mailboxes; send it to this one alone, or announce its size"))
	errLoop = answer(mail.ReasonLoop.Errorf("more than %d Received fields; the mail is in a loop", message.MaxHops).
		Over(mail.LimitReceivedHops))
	errMessageRate = answer(mail.ErrRateLimited.Errorf("too many messages from your address; try again in a minute"))
	errUnknownRate = answer(mail.ErrRateLimited.Errorf(
		"too many unknown recipients from your address; try again in a minute"))
	errUnknownMany = refusal(421, smtp.EnhancedCode{4, 7, 0}, "too many unknown recipients; check your list")

	errPlain = refusal(538, smtp.EnhancedCode{5, 7, 11},
		"must issue a STARTTLS command first: passwords travel only under TLS")
	errLoginPlain = refusal(530, smtp.EnhancedCode{5, 7, 0},
		"must issue a STARTTLS command first, then authenticate")
	errLogin       = refusal(530, smtp.EnhancedCode{5, 7, 0}, "authentication required")
	errMechanism   = refusal(504, smtp.EnhancedCode{5, 5, 4}, "unknown authentication mechanism")
	errBase64      = refusal(501, smtp.EnhancedCode{5, 5, 2}, "malformed base64")
	errCredentials = refusal(535, smtp.EnhancedCode{5, 7, 8}, registry.ErrCredentials.Public)
	errBinding     = refusal(535, smtp.EnhancedCode{5, 7, 8},
		"the login belongs to another TLS connection, or the list of mechanisms was changed on its way; "+
			"see whether something between us opens the encryption")
	errGuesses = refusal(421, smtp.EnhancedCode{4, 7, 0},
		"too many failed logins; check the user name and the password, and try again in a minute")
	errAccountGuesses = refusal(421, smtp.EnhancedCode{4, 7, 0}, errGuesses.Message)
	// A 5xx would be taken for a refusal of the mail, which is then returned to its
	// author, and no connection may log in twice (RFC 4954, 4).
	errEnded = answer(mail.ErrUnauthorised.Errorf(
		"this login is over: its credential was changed, revoked or disabled, or has expired; connect and log in again"))
	errInFlight = answer(mail.ReasonBusy.Errorf("too many messages at the same time, try again later"))

	errBig  = answer(mail.ErrTooLarge.Errorf("message too large"))
	errEnds = answer(mail.ReasonContent.Errorf(
		"only CRLF ends a line, and NUL is not allowed: send the message with CRLF line ends"))
	errLongInbound = answer(mail.ReasonContent.Errorf("a line is longer than %d octets", maxInboundText-len(crlf)))

	errLong = answer(mail.ReasonContent.Errorf(
		"a line is longer than 998 octets: encode the message as quoted-printable or base64"))
)

const malformed = "malformed address: expected <local@domain>"

// fromError translates what a session returned: the one place where errors
// become replies. A reply to DATA that succeeded is an SMTPError too.
func fromError(err error) reply {
	var e *smtp.SMTPError
	if !errors.As(err, &e) {
		return newReply(451, "4.3.0", "internal error, try again later")
	}
	return reply{code: e.Code, enhanced: dotted(e.EnhancedCode), lines: strings.Split(e.Message, "\n"),
		close: e.Code == 421} // RFC 5321, 3.8
}

// public makes an SMTPError of what another package returned. Only a mail.Error
// has a text for clients; of everything else the client gets a reference that
// finds the cause in the log.
func public(err error, log *slog.Logger, cid string) *smtp.SMTPError {
	var e *mail.Error
	switch {
	case errors.As(err, &e) && e.Kind == mail.ErrUnauthorised:
		return errEnded
	case errors.As(err, &e) && e.Kind != mail.ErrInternal:
		return answer(e)
	}
	if !errors.Is(err, context.Canceled) {
		log.Error(logInternal, "cid", cid, "err", err)
	}
	return refusal(451, smtp.EnhancedCode{4, 3, 0}, "internal error, try again later (ref "+cid+")")
}

// credentials makes an SMTPError of a failed login: 535 for what is wrong and
// stays wrong, 454 for what may pass.
func credentials(err error, log *slog.Logger, cid string) *smtp.SMTPError {
	if errors.Is(err, registry.ErrCredentials) {
		return errCredentials
	}
	log.Error(logInternal, "cid", cid, "err", err)
	return refusal(454, smtp.EnhancedCode{4, 7, 0},
		"cannot check credentials now, try again later (ref "+cid+")")
}
