package registry

import "github.com/multimail/multimail/mail"

// Errors of this package, compared with errors.Is. What is returned is often
// another *mail.Error with better words that has one of these as its cause.
var (
	// ErrCredentials says the same for a wrong secret, an unknown name, a
	// revoked key and a disabled agent: who guesses learns nothing from it.
	ErrCredentials = mail.ErrUnauthorised.Errorf("authentication credentials invalid")
	ErrNotFound    = mail.ErrNotFound.Errorf("not found")
	ErrExists      = mail.ErrConflict.Errorf("the name is taken")
	ErrForbidden   = mail.ErrForbidden.Errorf("this credential may not do that")
	ErrInvalid     = mail.ErrInvalid.Errorf("malformed request")
)

// in returns an error of e's kind with words of its own; errors.Is finds e.
func in(e *mail.Error, format string, args ...any) error {
	return e.Kind.Errorf(format, args...).Because(e)
}
