package mail

import (
	"errors"
	"fmt"
)

// Error is the only error a door translates for its client. Public is shown to
// strangers: it says what to do next and never names a path, key or mechanism.
// Err is for the log alone.
type Error struct {
	Code     int    // SMTP reply code (RFC 5321, section 4.2)
	Enhanced string // enhanced status code (RFC 3463), such as "5.7.1"
	Public   string // one line for the client
	Limit    Limit  // the limit that was reached, "" for none
	Err      error  // private cause, may be nil
}

// Errorf returns an Error whose public text is formatted from args.
func Errorf(code int, enhanced, format string, args ...any) *Error {
	return &Error{Code: code, Enhanced: enhanced, Public: fmt.Sprintf(format, args...)}
}

// Because returns a copy of e that carries the private cause err.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Public)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target says the same to a client, whatever its cause.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Enhanced == e.Enhanced && t.Public == e.Public
}

// Temporary reports whether the client may try again later unchanged.
func (e *Error) Temporary() bool { return e.Code >= 400 && e.Code < 500 }

// Sentinels that callers compare with errors.Is.
var (
	ErrNotFound = errors.New("no such mail")
	ErrStale    = errors.New("the mail has moved on")
	ErrNotice   = errors.New("the notice cannot be built")
)
