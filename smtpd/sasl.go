package smtpd

import (
	"crypto/tls"

	"github.com/emersion/go-sasl"
)

// The mechanisms that go-sasl has no server for.
const (
	scramPlus = "SCRAM-SHA-256-PLUS" // RFC 7677, with a channel binding
	scramOnly = "SCRAM-SHA-256"
	xoauth2   = "XOAUTH2" // of Google and Microsoft, without a standard
)

// offered returns the mechanisms of a connection under TLS, the best first:
// many clients take the first one that they know. Which ones are offered tells
// nothing about users, only about the connection and the settings.
func (s *session) offered() (list []string) {
	if s.binding() != nil {
		list = append(list, scramPlus)
	}
	list = append(list, scramOnly)
	if s.s.auth.TakesTokens() {
		list = append(list, sasl.OAuthBearer, xoauth2)
	}
	if s.tls != nil && len(s.tls.PeerCertificates) > 0 {
		list = append(list, sasl.External)
	}
	return append(list, sasl.Plain, sasl.Login)
}

// mechanism returns the server side of a mechanism that is offered.
func (s *session) mechanism(mech string) (sasl.Server, error) {
	switch mech {
	case scramPlus, scramOnly:
		return newScram(s, mech)
	case sasl.OAuthBearer:
		return &bearer{s: s, mech: mech, read: readOAuthBearer}, nil
	case xoauth2:
		return &bearer{s: s, mech: mech, read: readXOAuth2}, nil
	case sasl.External:
		return &external{s: s}, nil
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			// Acting for another user is not offered; the same name does no
			// harm. The library leaves this check to its caller.
			if identity != "" && identity != user {
				return s.refusePassword(user)
			}
			return s.byPassword(mech, user, password)
		}), nil
	case sasl.Login:
		return &login{s: s}, nil
	}
	return nil, errMechanism
}

// login is LOGIN, which go-sasl has for clients only: an old mechanism without
// a standard (draft-murchison-sasl-login) that many programs use.
type login struct {
	s     *session
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
	return nil, true, l.s.byPassword(sasl.Login, l.user, string(response))
}

// external is EXTERNAL (RFC 4422, appendix A): the credential is the
// certificate of the TLS connection, which the client has proved to hold.
type external struct {
	s     *session
	asked bool
}

// Next implements sasl.Server. The response is the name to act as, mostly empty.
func (e *external) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && !e.asked {
		e.asked = true
		return nil, false, nil
	}
	return nil, true, e.s.byCertificate(sasl.External, string(response))
}

// binding returns what ties a login to this TLS connection (RFC 9266), nil if
// there is nothing safe: before TLS 1.3 an exporter is not unique to a connection
// unless both sides support an extension that few have.
func (s *session) binding() []byte {
	if s.tls == nil || s.tls.Version < tls.VersionTLS13 {
		return nil
	}
	b, err := s.tls.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil // not offered, then
	}
	return b
}
