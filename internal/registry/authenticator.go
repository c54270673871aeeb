package registry

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Authenticator finds out who asks, for every door: each login in a transaction of
// its own, and refused ones noted in the audit log.
type Authenticator struct {
	db       store.Store
	registry *Registry
	tokens   TokenVerifier // nil: no issuer is configured
	// entries limits what is written about refused logins: whoever guesses must
	// not be able to fill the audit log.
	entries *rate.Limiter
}

// NewAuthenticator returns the authenticator of a store. Without a verifier no token is
// accepted.
func NewAuthenticator(db store.Store, r *Registry, tokens TokenVerifier) *Authenticator {
	return &Authenticator{db: db, registry: r, tokens: tokens, entries: rate.NewLimiter(rate.Every(10*time.Second), 20)}
}

// Origin is where a credential was presented.
type Origin struct {
	Door string // "smtp" or "http"
	IP   string // of the client, without a port
}

// ByPassword returns the agent that user and password name.
func (a *Authenticator) ByPassword(ctx context.Context, user, password string, from Origin) (Principal, error) {
	return a.find(ctx, from, user, func(tx store.Tx) (Principal, error) {
		return a.registry.ByPassword(tx, user, password)
	})
}

// ByBearer returns the principal of an API key, or of a token of an issuer. The form
// tells which it is, so a string is never tried as both.
func (a *Authenticator) ByBearer(ctx context.Context, secret string, from Origin) (Principal, error) {
	if a.tokens == nil || strings.HasPrefix(secret, secretPrefix) {
		return a.find(ctx, from, "", func(tx store.Tx) (Principal, error) { return a.registry.ByKey(tx, secret) })
	}
	return a.ByToken(ctx, secret, from)
}

// ByToken returns the principal that a token of an issuer is bound to.
func (a *Authenticator) ByToken(ctx context.Context, token string, from Origin) (Principal, error) {
	if a.tokens == nil {
		return a.find(ctx, from, "", func(store.Tx) (Principal, error) { return Principal{}, ErrCredentials })
	}
	t, bad := a.tokens.Verify(ctx, token)
	return a.find(ctx, from, "", func(tx store.Tx) (Principal, error) {
		if bad != nil {
			return Principal{}, bad
		}
		return a.registry.ByToken(tx, t)
	})
}

// find runs by in a transaction and notes a refusal. user is what the client called
// itself.
func (a *Authenticator) find(
	ctx context.Context, from Origin, user string, by func(store.Tx) (Principal, error),
) (p Principal, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		p, err = by(tx)
		return err
	})
	if err != nil {
		p = Principal{}
		if errors.Is(err, ErrCredentials) {
			err = errors.Join(err, a.note(ctx, from, user))
		}
		return p, err
	}
	p.IP = from.IP
	return p, nil
}

// note records a refused login. The client may be gone by then.
func (a *Authenticator) note(ctx context.Context, from Origin, user string) error {
	if !a.entries.Allow() {
		return nil
	}
	err := a.db.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		return a.registry.NoteAuthFailure(tx, from.Door, from.IP, user)
	})
	if err != nil {
		return mail.ErrUnavailable.Errorf("the log cannot be written; try again later").Because(err)
	}
	return nil
}
