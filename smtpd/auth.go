package smtpd

import (
	"errors"

	"github.com/emersion/go-sasl"
)

// mechanisms are offered under TLS only.
var mechanisms = []string{sasl.Plain, sasl.Login}

// newSASL returns the server side of a mechanism; check is asked once.
func newSASL(mech string, check func(user, password string) error) (sasl.Server, error) {
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			// Acting for somebody else is not offered; the same name is no harm.
			if identity != "" && identity != user {
				return check("", "")
			}
			return check(user, password)
		}), nil
	case sasl.Login:
		return &login{check: check}, nil
	}
	return nil, errors.New("unknown mechanism")
}

// login is LOGIN, which go-sasl has for clients only: an old mechanism without
// a standard (draft-murchison-sasl-login), spoken by many programs.
type login struct {
	check func(user, password string) error
	asked int // how many questions were put
	user  string
}

// Next implements sasl.Server. A client may send the user name at once.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.asked == 0 && response == nil {
		l.asked = 1
		return []byte("Username:"), false, nil
	}
	if l.asked < 2 {
		l.asked, l.user = 2, string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
