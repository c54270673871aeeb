package httpd

import (
	"net/http"
	"strconv"

	"github.com/multimail/multimail/mail"
)

// kindStatus and reasonStatus are what this door answers to an error of mail.
// A reason comes before the kind it belongs to. docs/errors.md has both.
var (
	kindStatus = map[mail.Kind]int{
		mail.ErrInternal:     http.StatusInternalServerError,
		mail.ErrInvalid:      http.StatusBadRequest,
		mail.ErrUnauthorised: http.StatusUnauthorized,
		mail.ErrForbidden:    http.StatusForbidden,
		mail.ErrNotFound:     http.StatusNotFound,
		mail.ErrConflict:     http.StatusConflict,
		mail.ErrStale:        http.StatusConflict,
		mail.ErrTooLarge:     http.StatusRequestEntityTooLarge,
		mail.ErrRateLimited:  http.StatusTooManyRequests,
		mail.ErrFrozen:       http.StatusServiceUnavailable,
		mail.ErrUnavailable:  http.StatusServiceUnavailable,
	}
	reasonStatus = map[mail.Reason]int{
		mail.ReasonAddress:     http.StatusBadRequest,
		mail.ReasonDomain:      http.StatusBadRequest,
		mail.ReasonContent:     http.StatusBadRequest,
		mail.ReasonLoop:        http.StatusBadRequest,
		mail.ReasonNoRecipient: http.StatusBadRequest,
		mail.ReasonRecipients:  http.StatusBadRequest, // not 413: the body is small enough
		mail.ReasonSender:      http.StatusForbidden,
		mail.ReasonReadOnly:    http.StatusForbidden,
		mail.ReasonScope:       http.StatusForbidden,
		mail.ReasonSelf:        http.StatusForbidden,
		mail.ReasonDiskFull:    http.StatusServiceUnavailable,
		mail.ReasonMailboxFull: http.StatusInsufficientStorage,
		mail.ReasonBusy:        http.StatusServiceUnavailable,

		mail.ReasonUnauthenticated: http.StatusForbidden,
		mail.ReasonUnverified:      http.StatusServiceUnavailable,
		mail.ReasonNoMailbox:       http.StatusNotFound,
		mail.ReasonRelay:           http.StatusForbidden,
		mail.ReasonQuota:           http.StatusInsufficientStorage,
		mail.ReasonKept:            http.StatusForbidden,
		mail.ReasonSuppressed:      http.StatusForbidden,
		mail.ReasonNoAnswer:        http.StatusConflict,
		mail.ReasonWarmUp:          http.StatusTooManyRequests,
		mail.ReasonClosed:          http.StatusGone,
	}
	// kindText is what is said of an error that is a kind alone.
	kindText = map[mail.Kind]string{
		mail.ErrNotFound: "not found",
		mail.ErrStale:    "the mail has moved on",
	}
)

// statusCode is the word of a refusal of this door's own: that of the kind with this
// status, but for what HTTP alone knows. docs/errors.md lists them.
var statusCode = map[int]string{
	http.StatusBadRequest:            mail.ErrInvalid.String(),
	http.StatusUnauthorized:          mail.ErrUnauthorised.String(),
	http.StatusForbidden:             mail.ErrForbidden.String(),
	http.StatusNotFound:              mail.ErrNotFound.String(),
	http.StatusMethodNotAllowed:      "method_not_allowed",
	http.StatusConflict:              mail.ErrConflict.String(),
	http.StatusRequestEntityTooLarge: mail.ErrTooLarge.String(),
	http.StatusUnsupportedMediaType:  "media_type",
	http.StatusTooManyRequests:       mail.ErrRateLimited.String(),
	http.StatusServiceUnavailable:    mail.ErrUnavailable.String(),
}

// statusOf returns the status of e.
func statusOf(e *mail.Error) int {
	if s, ok := reasonStatus[e.Reason]; ok {
		return s
	}
	return kindStatus[e.Kind]
}

// codes are the facts of a refusal in the audit log.
func (c caller) codes(e *mail.Error) map[string]string {
	return map[string]string{"door": c.door, "code": strconv.Itoa(statusOf(e))}
}
