package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
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
	tokens   TokenVerifier                      // nil: no issuer is configured
	roots    *x509.CertPool                     // of client certificates; nil: only pinned ones are known
	fits     func(store.Tx, mail.Address) error // see Provision; nil: no token makes anything
	// entries limits what is written about refused logins: whoever guesses must
	// not be able to fill the audit log.
	entries *rate.Limiter
	made    *rate.Limiter // of agents that are made with their first token

	mu      sync.Mutex
	unnoted int // refused logins since the last entry, guarded by mu
}

// NewAuthenticator returns the authenticator of a store. Without a verifier no token is
// accepted.
func NewAuthenticator(db store.Store, r *Registry, tokens TokenVerifier) *Authenticator {
	return &Authenticator{db: db, registry: r, tokens: tokens,
		entries: rate.NewLimiter(rate.Every(10*time.Second), 20),
		made:    rate.NewLimiter(rate.Every(provisionEvery), provisionBurst)}
}

// Origin is where a credential was presented.
type Origin struct {
	Door string // "smtp" or "http"
	IP   string // of the client, without a port
	// Resource is the one that is asked for: a token of our own is taken at the resource
	// that it was made for alone (RFC 8707).
	Resource string
}

// ByPassword returns the agent that user and password name.
func (a *Authenticator) ByPassword(ctx context.Context, user, password string, from Origin) (Principal, error) {
	refused := RefusedLogin{Origin: from, By: CredentialPassword, User: user}
	return a.find(ctx, refused, func(tx store.Tx) (Principal, error) {
		return a.registry.ByPassword(tx, user, password)
	})
}

// ByBearer returns the principal of an API key, or of a token of an issuer. The form
// tells which it is, so a string is never tried as both.
func (a *Authenticator) ByBearer(ctx context.Context, secret string, from Origin) (Principal, error) {
	if a.tokens == nil || strings.HasPrefix(secret, secretPrefix) {
		return a.find(ctx, RefusedLogin{Origin: from, By: CredentialKey}, func(tx store.Tx) (Principal, error) {
			return a.registry.ByKey(tx, secret)
		})
	}
	return a.ByToken(ctx, secret, from)
}

// ByToken returns the principal that a token of an issuer is bound to.
func (a *Authenticator) ByToken(ctx context.Context, token string, from Origin) (Principal, error) {
	refused := RefusedLogin{Origin: from, By: CredentialToken}
	if a.tokens == nil {
		return a.find(ctx, refused, func(store.Tx) (Principal, error) { return Principal{}, ErrCredentials })
	}
	t, bad := a.tokens.Verify(ctx, token)
	if bad == nil && t.Shape == ShapeGranted && t.Audience != from.Resource {
		bad = ErrCredentials.Because(errors.New("the token is for another resource"))
	}
	if bad == nil {
		bad = a.provision(ctx, t)
	}
	return a.find(ctx, refused, func(tx store.Tx) (Principal, error) {
		if bad != nil {
			return Principal{}, bad
		}
		return a.registry.ByToken(tx, t)
	})
}

// Peek returns the principal of an API key, or of a token for a resource, and notes nothing: the
// operation that the credential is for authenticates it itself.
func (a *Authenticator) Peek(ctx context.Context, secret, resource string) (p Principal, err error) {
	by := func(tx store.Tx) (Principal, error) { return a.registry.ByKey(tx, secret) }
	if a.tokens != nil && !strings.HasPrefix(secret, secretPrefix) {
		t, err := a.tokens.Verify(ctx, secret)
		if err != nil || t.Shape == ShapeGranted && t.Audience != resource {
			return Principal{}, errors.Join(ErrCredentials, err)
		}
		by = func(tx store.Tx) (Principal, error) { return a.registry.ByToken(tx, t) }
	}
	err = a.db.View(ctx, func(tx store.Tx) error {
		p, err = by(tx)
		return err
	})
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// TakesTokens reports whether there is an issuer whose tokens ByToken accepts.
func (a *Authenticator) TakesTokens() bool { return a.tokens != nil }

// SCRAM returns what the server side of SCRAM needs of a user, who need not exist.
func (a *Authenticator) SCRAM(ctx context.Context, user string) (s SCRAM, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		s, err = a.registry.SCRAM(tx, user)
		return err
	})
	return s, err
}

// BySCRAM returns the agent that has proved to know the password.
func (a *Authenticator) BySCRAM(ctx context.Context, known SCRAM, user string, from Origin) (Principal, error) {
	refused := RefusedLogin{Origin: from, By: CredentialPassword, User: user}
	return a.find(ctx, refused, func(tx store.Tx) (Principal, error) {
		return a.registry.BySCRAM(tx, known)
	})
}

// TrustClients takes certificates of clients by the names in them if they chain to
// one of roots. It must be called before the first login.
func (a *Authenticator) TrustClients(roots *x509.CertPool) { a.roots = roots }

// ByCertificate returns the agent that a client certificate stands for. The client has
// proved in the handshake that it holds the key of the first one.
func (a *Authenticator) ByCertificate(
	ctx context.Context, chain []*x509.Certificate, from Origin,
) (Principal, error) {
	return a.find(ctx, RefusedLogin{Origin: from, By: CredentialCertificate}, func(tx store.Tx) (Principal, error) {
		return a.registry.ByCertificate(tx, chain, a.roots)
	})
}

// Refuse notes a login that a door refuses by itself, such as one whose name is not
// that of its credential, and returns ErrCredentials.
func (a *Authenticator) Refuse(ctx context.Context, by CredentialKind, user string, from Origin) error {
	return errors.Join(ErrCredentials, a.note(ctx, RefusedLogin{Origin: from, By: by, User: user}))
}

// find runs by in a transaction and notes a refusal.
func (a *Authenticator) find(
	ctx context.Context, refused RefusedLogin, by func(store.Tx) (Principal, error),
) (p Principal, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		p, err = by(tx)
		return err
	})
	if err != nil {
		p = Principal{}
		if errors.Is(err, ErrCredentials) {
			err = errors.Join(err, a.note(ctx, refused))
		}
		return p, err
	}
	p.IP = refused.IP
	return p, nil
}

// note records a refused login. The client may be gone by then. When entries are
// limited, the next one says how many were left out before it.
func (a *Authenticator) note(ctx context.Context, refused RefusedLogin) error {
	a.mu.Lock()
	if !a.entries.Allow() {
		a.unnoted++
		a.mu.Unlock()
		return nil
	}
	refused.Unrecorded, a.unnoted = a.unnoted, 0
	a.mu.Unlock()
	err := a.db.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		return a.registry.NoteAuthFailure(tx, refused)
	})
	if err != nil {
		a.mu.Lock()
		a.unnoted += refused.Unrecorded + 1
		a.mu.Unlock()
		return mail.ErrUnavailable.Errorf("the log cannot be written; try again later").Because(err)
	}
	return nil
}
