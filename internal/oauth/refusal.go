package oauth

import (
	"fmt"

	"github.com/multimail/multimail/mail"
)

// Refusal says why a token was refused. It is for the log and for the owner, who
// reads it with `multimail doctor token`; a client is told nothing of it.
type Refusal struct {
	Check  string // the first check that failed, one of Checks
	Issuer string // name of the [[issuer]], "" before it is known
	Hint   string // what to change in the issuer or in the configuration
}

func (r *Refusal) Error() string { return "check " + r.Check + ": " + r.Hint }

// Errors that a client sees. Only the class is in them: whether another token
// of the same issuer could do.
var (
	errRefused     = mail.ErrUnauthorised.Errorf("token not accepted")
	errExpired     = mail.ErrUnauthorised.Errorf("token not accepted: it has expired; get a new one")
	errUnavailable = mail.ErrUnavailable.Errorf("the token cannot be checked at the moment; try again later")
)

// public returns the error that a client may see, with r as its private cause.
func (r *Refusal) public() error {
	if r.Check == checkExpiry {
		return errExpired.Because(r)
	}
	return errRefused.Because(r)
}

// hint is why a check failed; the attempt makes a Refusal of it.
type hint string

func (h hint) Error() string { return string(h) }

// hintf formats a hint. What comes from the token is formatted with %.100q, so
// that no token writes lines of its own into the log.
func hintf(format string, args ...any) error { return hint(fmt.Sprintf(format, args...)) }
