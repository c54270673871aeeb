package authserver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// SignedIn is who sits in front of the browser: a person of an issuer, or the holder of an
// admin's credential. It is kept in a cookie of the browser, sealed, and for minutes alone:
// the answer to one request is all that it is for.
type SignedIn struct {
	ID     string      `json:"id"`
	For    string      `json:"for"` // the binding of that request
	Person mail.Person `json:"person,omitzero"`
	Roles  []string    `json:"roles,omitempty"` // at the issuer
	Name   string      `json:"name,omitempty"`  // for the page; the issuer's word
	Admin  *Admin      `json:"admin,omitempty"`
	Until  time.Time   `json:"until"`
}

// Admin is a principal of the registry as a record names it.
type Admin struct {
	Kind       registry.Kind       `json:"kind"`
	Name       string              `json:"name"`
	Credential registry.Credential `json:"credential"`
}

// principal is who the admin is, to be read again by the registry.
func (a Admin) principal() registry.Principal {
	return registry.Principal{Kind: a.Kind, Name: a.Name, Credential: a.Credential, UID: -1}
}

// sessionLife is how long a person may take between sign-in and consent.
const sessionLife = 10 * time.Minute

// SignIn returns the sealed session of a person whom an issuer has vouched for, to answer r.
func (s *Server) SignIn(
	ctx context.Context, r *Request, who mail.Person, roles []string, name string,
) (sealed string, err error) {
	if who.IsZero() || who.Issuer == registry.LocalIssuer {
		return "", refuse(AccessDenied, "nobody has signed in")
	}
	return s.sealSession(ctx, SignedIn{For: r.binding(), Person: who, Roles: roles, Name: name})
}

// SignInAdmin returns the sealed session of a principal that has presented its credential, to
// answer r. It must be allowed to configure: others have nothing to grant.
func (s *Server) SignInAdmin(ctx context.Context, r *Request, p registry.Principal) (sealed string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		_, err := s.o.Registry.Configures(tx, p)
		return err
	})
	if err != nil {
		return "", err
	}
	return s.sealSession(ctx, SignedIn{For: r.binding(), Name: p.ID(), Admin: &Admin{p.Kind, p.Name, p.Credential}})
}

func (s *Server) sealSession(ctx context.Context, in SignedIn) (sealed string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		id := random()
		in.ID, in.Until = base64.RawURLEncoding.EncodeToString(id[:16]), tx.Now().Add(sessionLife)
		b, err := json.Marshal(in)
		if err == nil {
			sealed, err = ks.seal("session", b)
		}
		return err
	})
	return sealed, err
}

// Session opens the session in which r is answered; ok is false for one that is over, answered
// already, for another request, or not ours.
func (s *Server) Session(ctx context.Context, r *Request, sealed string) (in SignedIn, ok bool, err error) {
	if sealed == "" || len(sealed) > 8<<10 {
		return in, false, nil
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		plain, opened := ks.open("session", sealed)
		ok = opened && json.Unmarshal(plain, &in) == nil && tx.Now().Before(in.Until) && in.For == r.binding()
		if !ok {
			return nil
		}
		over, err := s.used(tx, sessionUse(in))
		ok = !over
		return err
	})
	return in, ok && err == nil, err
}

// sessionUse is what a session is used for, once.
func sessionUse(in SignedIn) string { return "session " + in.ID }

// EndSession ends a session whose request was answered without a grant. The browser that has the
// cookie still has nothing. Twice changes nothing.
func (s *Server) EndSession(ctx context.Context, in SignedIn) error {
	return s.o.Store.Update(ctx, func(tx store.Tx) error {
		over, err := s.used(tx, sessionUse(in))
		if err != nil || over {
			return err
		}
		return s.endSession(tx, in)
	})
}

// endSession uses a session up.
func (s *Server) endSession(tx store.Tx, in SignedIn) error {
	return s.once(tx, sessionUse(in), in.Until,
		refuse(InvalidRequest, "this sign-in was used already; begin again in the client"))
}

// Seal keeps a value in the browser for a purpose, such as a sign-in that is under way.
func (s *Server) Seal(ctx context.Context, purpose string, v any) (sealed string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		b, err := json.Marshal(sealedValue{tx.Now().Add(sessionLife), v})
		if err == nil {
			sealed, err = ks.seal("value "+purpose, b)
		}
		return err
	})
	return sealed, err
}

type sealedValue struct {
	Until time.Time `json:"until"`
	Value any       `json:"value"`
}

// Open reads what Seal kept; ok is false when it is over or not ours.
func (s *Server) Open(ctx context.Context, purpose, sealed string, v any) (ok bool, err error) {
	if len(sealed) > 8<<10 {
		return false, nil
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		plain, opened := ks.open("value "+purpose, sealed)
		in := sealedValue{Value: v}
		ok = opened && json.Unmarshal(plain, &in) == nil && tx.Now().Before(in.Until)
		return nil
	})
	return ok, err
}
