package smtpd

import (
	"fmt"
	"strconv"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

// status is a reply code (RFC 5321, 4.2) with its enhanced code (RFC 3463).
type status struct {
	code     int
	enhanced smtp.EnhancedCode
}

// kindStatus and reasonStatus are what this door answers to an error of mail.
// A reason comes before the kind it belongs to. docs/errors.md has both.
var (
	kindStatus = map[mail.Kind]status{
		mail.ErrInternal:     {451, smtp.EnhancedCode{4, 3, 0}},
		mail.ErrInvalid:      {501, smtp.EnhancedCode{5, 5, 4}},
		mail.ErrUnauthorised: {421, smtp.EnhancedCode{4, 7, 0}}, // the credential of a session has ended
		mail.ErrForbidden:    {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ErrNotFound:     {550, smtp.EnhancedCode{5, 1, 1}},
		mail.ErrConflict:     {550, smtp.EnhancedCode{5, 5, 1}},
		mail.ErrStale:        {554, smtp.EnhancedCode{5, 5, 1}},
		mail.ErrTooLarge:     {552, smtp.EnhancedCode{5, 3, 4}},
		mail.ErrRateLimited:  {450, smtp.EnhancedCode{4, 7, 1}},
		mail.ErrFrozen:       {451, smtp.EnhancedCode{4, 7, 1}},
		mail.ErrUnavailable:  {451, smtp.EnhancedCode{4, 3, 0}},
	}
	reasonStatus = map[mail.Reason]status{
		mail.ReasonAddress:     {553, smtp.EnhancedCode{5, 1, 3}},
		mail.ReasonDomain:      {553, smtp.EnhancedCode{5, 1, 2}},
		mail.ReasonContent:     {554, smtp.EnhancedCode{5, 6, 0}},
		mail.ReasonLoop:        {554, smtp.EnhancedCode{5, 4, 6}},
		mail.ReasonNoRecipient: {554, smtp.EnhancedCode{5, 5, 1}},
		mail.ReasonRecipients:  {452, smtp.EnhancedCode{4, 5, 3}}, // the rest goes in the next transaction
		mail.ReasonSender:      {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonReadOnly:    {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonScope:       {554, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonSelf:        {554, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonDiskFull:    {452, smtp.EnhancedCode{4, 3, 1}},
		mail.ReasonMailboxFull: {452, smtp.EnhancedCode{4, 3, 1}},
		mail.ReasonBusy:        {451, smtp.EnhancedCode{4, 3, 2}},

		mail.ReasonUnauthenticated: {550, smtp.EnhancedCode{5, 7, 26}}, // RFC 7372, 3.3
		mail.ReasonUnverified:      {451, smtp.EnhancedCode{4, 7, 26}},
		mail.ReasonNoMailbox:       {550, smtp.EnhancedCode{5, 1, 1}},
		mail.ReasonRelay:           {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonQuota:           {452, smtp.EnhancedCode{4, 2, 2}},
		mail.ReasonKept:            {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonSuppressed:      {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonNoAnswer:        {550, smtp.EnhancedCode{5, 7, 1}},
		mail.ReasonWarmUp:          {451, smtp.EnhancedCode{4, 7, 1}},
		mail.ReasonClosed:          {550, smtp.EnhancedCode{5, 7, 1}},
	}
)

// statusOf returns the codes of e.
func statusOf(e *mail.Error) status {
	if s, ok := reasonStatus[e.Reason]; ok {
		return s
	}
	return kindStatus[e.Kind]
}

// codes are the facts of a refusal in the audit log.
func codes(e *mail.Error) map[string]string {
	s := statusOf(e)
	return map[string]string{"door": door, "code": strconv.Itoa(s.code), "enhanced": dotted(s.enhanced)}
}

// dotted writes an enhanced code as in a reply, "" if there is none.
func dotted(c smtp.EnhancedCode) string {
	if c == smtp.NoEnhancedCode || c == smtp.EnhancedCodeNotSet {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
}
