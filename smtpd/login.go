package smtpd

import (
	"errors"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// A login is one presented credential. Each way to present one ends in check,
// so that all of them are limited, counted and recorded alike.

func (s *session) byPassword(mech, user, password string) error {
	return s.login(mech, registry.CredentialPassword, user, func() (registry.Principal, error) {
		return s.s.auth.ByPassword(s.ctx, user, password, s.origin())
	})
}

// byToken logs in by a bearer token. A token is no name: the client may say who
// it means to be, and that must be the agent of the token.
func (s *session) byToken(mech, user, token string) error {
	return s.login(mech, registry.CredentialToken, user, func() (registry.Principal, error) {
		if len(token) > maxToken {
			s.s.reached(mail.LimitAuthLine)
		}
		if token == "" || len(token) > maxToken {
			return registry.Principal{}, s.s.auth.Refuse(s.ctx, registry.CredentialToken, user, s.origin())
		}
		return s.s.auth.ByToken(s.ctx, token, s.origin())
	})
}

// byCertificate logs in by the certificate of the TLS connection.
func (s *session) byCertificate(mech, user string) error {
	return s.login(mech, registry.CredentialCertificate, user, func() (registry.Principal, error) {
		return s.s.auth.ByCertificate(s.ctx, s.tls.PeerCertificates, s.origin())
	})
}

// scram returns what SCRAM needs of a user.
func (s *session) scram(user string) (registry.SCRAM, error) {
	if err := s.overSource(); err != nil {
		return registry.SCRAM{}, err
	}
	known, err := s.s.auth.SCRAM(s.ctx, user)
	if err != nil {
		return known, s.refusedLogin(err, user)
	}
	return known, nil
}

// bySCRAM returns who has proved to know the password.
func (s *session) bySCRAM(user string, known registry.SCRAM) (registry.Principal, error) {
	return s.check(registry.CredentialPassword, user, func() (registry.Principal, error) {
		return s.s.auth.BySCRAM(s.ctx, known, user, s.origin())
	})
}

// refusePassword counts and records a login that its mechanism refuses.
func (s *session) refusePassword(user string) error {
	_, err := s.check(registry.CredentialPassword, user, func() (registry.Principal, error) {
		return registry.Principal{}, s.s.auth.Refuse(s.ctx, registry.CredentialPassword, user, s.origin())
	})
	return err
}

// origin is where the client comes from.
func (s *session) origin() registry.Origin { return registry.Origin{Door: door, IP: s.remote} }

// login checks a credential and lets its principal in.
func (s *session) login(
	mech string, kind registry.CredentialKind, user string, by func() (registry.Principal, error),
) error {
	p, err := s.check(kind, user, by)
	if err == nil {
		s.enter(mech, p)
	}
	return err
}

// enter makes p the principal of the session.
func (s *session) enter(mech string, p registry.Principal) {
	s.p, s.authed = p, true
	s.log.Info(logAuth, "cid", s.cid, "door", door, "actor", p.ID(), "mechanism", mech, "remote", s.remote)
}

// check returns the principal of a credential, or the refusal of the login. Only
// agents may send, so nobody else gets in.
func (s *session) check(
	kind registry.CredentialKind, user string, by func() (registry.Principal, error),
) (registry.Principal, error) {
	if err := s.overSource(); err != nil {
		return registry.Principal{}, err
	}
	p, err := by()
	if err == nil && !(p.Kind == registry.KindAgent && names(user, p)) {
		err = s.s.auth.Refuse(s.ctx, kind, user, s.origin())
	}
	if err != nil {
		return registry.Principal{}, s.refusedLogin(err, user)
	}
	return p, nil
}

// names reports whether user, if it is given, means p: its name or the address of
// a mailbox that it uses.
func names(user string, p registry.Principal) bool {
	if user == "" || user == p.Agent {
		return true
	}
	a, err := mail.ParseAddress(user)
	return err == nil && p.Covers(a)
}

// overSource refuses every login from a source that has failed too often.
func (s *session) overSource() error {
	if s.s.o.Logins.Wait(s.remote) == 0 {
		return nil
	}
	s.s.reached(mail.LimitFailedLoginsSource)
	return errGuesses
}

// refusedLogin counts a failed login and returns its refusal. The right credential
// of an account is accepted however many wrong ones came before: see
// throttle.Logins.
func (s *session) refusedLogin(err error, user string) error {
	s.s.o.Metrics.AuthFailures.WithLabelValues(door).Inc()
	s.log.Info(logAuthRefused, "cid", s.cid, "door", door, "remote", s.remote)
	if !errors.Is(err, registry.ErrCredentials) {
		return credentials(err, s.log, s.cid)
	}
	over := s.s.o.Logins.Failed(s.remote, user)
	if over.Source {
		s.s.reached(mail.LimitFailedLoginsSource)
	}
	if over.Account {
		s.s.reached(mail.LimitFailedLoginsAccount)
		return errAccountGuesses
	}
	if over != (throttle.Over{}) {
		return errGuesses
	}
	return credentials(err, s.log, s.cid)
}
