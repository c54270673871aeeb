// Package oauth verifies access tokens of the issuers that the configuration
// names (RFC 9068 and Microsoft Entra's).
//
// A token passes a list of checks, each with a name; [Verifier.Explain] shows them all. What
// it may do here is decided elsewhere: a [Token] says whose it is, and
// counts for nothing until it is bound to an agent.
package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/multimail/multimail/internal/config"
)

// Options are what a Verifier needs. All are required.
type Options struct {
	Issuers []config.Issuer // as config.Check has found them good
	Now     func() time.Time
	// Trusted says whether the clock is to be believed: expiry is judged by it.
	Trusted func() bool
	Log     *slog.Logger
	// Count counts a result: "accepted", "unavailable", or the check that failed.
	Count func(result string)
}

// Verifier verifies tokens.
type Verifier struct {
	o       Options
	origins map[string]*origin // by iss
	cache   cache
	ctx     context.Context // of fetches
	stop    context.CancelFunc
	events  *rate.Limiter // of refused tokens in the log
}

// New reads the key files and begins to fetch the other keys; it does not wait
// for them. Close ends that.
func New(o Options) (*Verifier, error) { return newVerifier(o, nil) }

// newVerifier is New, with a transport for the fetches of tests.
func newVerifier(o Options, transport http.RoundTripper) (*Verifier, error) {
	if o.Now == nil || o.Trusted == nil || o.Log == nil || o.Count == nil {
		return nil, errors.New("oauth: an option is missing")
	}
	v := &Verifier{o: o, origins: map[string]*origin{}, events: rate.NewLimiter(rate.Every(10*time.Second), 20)}
	v.cache.entries = map[[sha256.Size]byte]accepted{}
	v.ctx, v.stop = context.WithCancel(context.Background())
	for _, c := range o.Issuers {
		err := v.addOrigins(newIssuer(c), source{now: o.Now, log: o.Log, transport: transport})
		if err != nil {
			v.stop()
			return nil, err
		}
	}
	return v, nil
}

// Close ends the fetches.
func (v *Verifier) Close() { v.stop() }

// Verify returns what a token says if it passes every check. An error is a
// [*Refusal] behind an error of kind mail.ErrUnauthorised, or of kind
// mail.ErrUnavailable where the token cannot be judged at the moment. The work for
// a token of any length is bounded.
func (v *Verifier) Verify(ctx context.Context, raw string) (Token, error) {
	t, err := v.verify(ctx, raw)
	var r *Refusal
	switch {
	case err == nil:
		v.o.Count("accepted")
		return t, nil
	case errors.As(err, &r):
		v.o.Count(r.Check)
		if v.events.AllowN(v.o.Now(), 1) {
			v.o.Log.Warn("token refused", "issuer", r.Issuer, "check", r.Check, "hint", r.Hint)
		}
		return Token{}, r.public()
	}
	v.o.Count("unavailable")
	return Token{}, err
}

func (v *Verifier) verify(ctx context.Context, raw string) (Token, error) {
	if !v.o.Trusted() {
		return Token{}, errUnavailable.Because(errors.New("the clock is in doubt"))
	}
	a := &attempt{raw: raw, now: v.o.Now()}
	if len(raw) > maxToken { // before its hash
		return Token{}, a.refusal(checks[0], checkSize(ctx, v, a))
	}
	id := sha256.Sum256([]byte(raw))
	if t, ok := v.cache.get(id, a.now); ok {
		return cloned(t), nil
	}
	for _, c := range checks {
		if err := c.run(ctx, v, a); err != nil {
			return Token{}, a.refusal(c, err)
		}
	}
	a.token.ID = base64.RawURLEncoding.EncodeToString(id[:16])
	a.token.Mailbox = a.mailbox()
	from := a.issued
	if a.notBefore.After(from) {
		from = a.notBefore
	}
	v.cache.put(id, accepted{a.token, from.Add(-a.skew()), a.token.Expires, a.origin.keys, a.generation})
	return cloned(a.token), nil
}

// cloned returns a copy that shares nothing a caller could change.
func cloned(t Token) Token {
	t.Scopes = slices.Clone(t.Scopes)
	return t
}
