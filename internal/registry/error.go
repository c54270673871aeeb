package registry

import (
	"errors"

	"github.com/multimail/multimail/mail"
)

// Errors of this package, compared with errors.Is. What is returned is often
// another *mail.Error with better words that has one of these as its cause.
var (
	// ErrCredentials says the same for a wrong secret, an unknown name, a
	// revoked key and a disabled agent: a stranger learns nothing from it.
	ErrCredentials = &mail.Error{Code: 535, Enhanced: "5.7.8",
		Public: "authentication credentials invalid", Err: errCredentials}
	// ErrNotFound is a mail.ErrNotFound too, so that doors answer alike.
	ErrNotFound = &mail.Error{Code: 550, Enhanced: "5.1.1",
		Public: "not found", Err: mail.ErrNotFound}
	ErrExists = &mail.Error{Code: 550, Enhanced: "5.5.1",
		Public: "the name is taken", Err: errExists}
	ErrForbidden = &mail.Error{Code: 550, Enhanced: "5.7.1",
		Public: "this credential may not do that", Err: errForbidden}
	ErrInvalid = &mail.Error{Code: 501, Enhanced: "5.5.4",
		Public: "malformed request", Err: errInvalid}
)

var (
	errCredentials = errors.New("bad credentials")
	errExists      = errors.New("exists already")
	errForbidden   = errors.New("not permitted")
	errInvalid     = errors.New("malformed")
)

// in returns an error of e's code with words of its own; errors.Is finds e.
func in(e *mail.Error, format string, args ...any) error {
	return mail.Errorf(e.Code, e.Enhanced, format, args...).Because(e)
}
