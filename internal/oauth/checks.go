package oauth

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// attempt is one token on its way through the checks.
type attempt struct {
	raw    string
	now    time.Time
	jws    jws
	claims claims

	origin     *origin // nil until the issuer is known
	key        crypto.PublicKey
	generation int // of the keys of the issuer, before the key was looked up

	expires, notBefore, issued time.Time // notBefore is zero if the token has none
	values                     []string  // of scopes or roles
	roles                      []string  // of an application
	token                      Token
}

// check is one thing that a token must pass.
type check struct {
	name string
	run  func(ctx context.Context, v *Verifier, a *attempt) error
	// alone says that what follows can be judged although this check failed, for
	// somebody who wants to see all that is wrong.
	alone bool
}

const checkExpiry = "expiry"

// checks lists all checks in their order. A token passes all of them. What costs
// little and says whose token it is stands before what costs more.
var checks = []check{
	{"size", checkSize, false},
	{"form", checkForm, false},
	{"header", func(_ context.Context, _ *Verifier, a *attempt) error { return a.jws.readHeader() }, true},
	{"claims", checkClaims, false},
	{"issuer", checkIssuer, false},
	{"algorithm", checkAlgorithm, true},
	{"key", checkKey, true},
	{"signature", checkSignature, true},
	{"audience", checkAudience, true},
	{"tenant", checkTenant, true},
	{checkExpiry, checkExpires, true},
	{"not_before", checkNotBefore, true},
	{"issued_at", checkIssuedAt, true},
	{"kind", checkKind, true},
	{"shape", func(_ context.Context, _ *Verifier, a *attempt) error { return a.origin.issuer.shape(a) }, false},
	{"scopes", checkScopes, true},
}

// Checks returns the names of the checks in their order.
func Checks() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

func checkSize(_ context.Context, _ *Verifier, a *attempt) error {
	if len(a.raw) > maxToken {
		return hintf("longer than %d octets; let the issuer leave groups and other large claims out", maxToken)
	}
	return nil
}

func checkForm(_ context.Context, _ *Verifier, a *attempt) (err error) {
	a.jws, err = split(a.raw)
	return err
}

func checkClaims(_ context.Context, _ *Verifier, a *attempt) (err error) {
	a.claims, err = object(a.jws.payload)
	return err
}

// checkIssuer finds the issuer by the exact iss.
func checkIssuer(_ context.Context, v *Verifier, a *attempt) error {
	iss, err := a.claims.identifier("iss")
	if err != nil {
		return err
	}
	a.origin = v.origins[iss]
	if a.origin != nil {
		a.token.Issuer = a.origin.issuer.conf.Name
		return nil
	}
	for known := range v.origins {
		if strings.TrimRight(known, "/") == strings.TrimRight(iss, "/") {
			return hintf("iss is %.200q and the configuration has %.200q: they differ in the slash at the end; "+
				"write it as the issuer does", iss, known)
		}
	}
	return hintf("iss is %.200q, which no [[issuer]] has; for entra, is its tenant one of tenants?", iss)
}

func checkAlgorithm(_ context.Context, _ *Verifier, a *attempt) error {
	if allowed := a.origin.issuer.conf.Algorithms; !slices.Contains(allowed, a.jws.alg) {
		return hintf("alg is %.100q; algorithms of this issuer are %s", a.jws.alg, strings.Join(allowed, ", "))
	}
	return nil
}

// checkKey finds the key by its kid. The type of the key decides which
// algorithms are possible, never the token.
func checkKey(ctx context.Context, _ *Verifier, a *attempt) error {
	if kid := a.jws.kid; kid == "" || len(kid) > maxKeyID {
		return hintf("kid is missing or longer than %d octets; let the issuer name its key", maxKeyID)
	}
	a.generation = a.origin.keys.version()
	key, err := a.origin.keys.find(ctx, a.jws.kid, a.jws.alg)
	if err != nil {
		return err
	}
	if fits := algorithmsOf(key); !slices.Contains(fits, a.jws.alg) {
		return hintf("alg is %.100q, and the key %.100q is one for %s", a.jws.alg, a.jws.kid, strings.Join(fits, ", "))
	}
	a.key = key
	return nil
}

// errNoKey says that the signature cannot be judged, for want of a key.
var errNoKey = hintf("not judged, since there is no key")

func checkSignature(_ context.Context, _ *Verifier, a *attempt) error {
	if a.key == nil {
		return errNoKey
	}
	m := methodOf(a.jws.alg)
	if m == nil || m.Verify(a.jws.signing, a.jws.signature, a.key) != nil {
		return hintf("the signature is not one of the key %.100q: the token was changed or is not of this issuer; "+
			"Entra signs tokens for Microsoft Graph in a way that only Graph can check: "+
			"ask for a token with a scope of your own registration", a.jws.kid)
	}
	return nil
}

// methodOf returns the method of an algorithm. The library takes any length of the
// salt of PS256, PS384 and PS512; RFC 7518, section 3.5, has one.
func methodOf(alg string) jwt.SigningMethod {
	m := jwt.GetSigningMethod(alg)
	if pss, ok := m.(*jwt.SigningMethodRSAPSS); ok {
		exact := *pss
		exact.VerifyOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return &exact
	}
	return m
}

func checkAudience(_ context.Context, _ *Verifier, a *attempt) error {
	conf := a.origin.issuer.conf
	given := []string{}
	switch kind := a.claims["aud"].Kind(); {
	case !a.claims.has("aud"):
		return hintf("aud is missing; ask the issuer for a token for this server")
	case kind == '[' && a.origin.issuer.audienceLists():
		l, err := a.claims.list("aud")
		if err != nil {
			return err
		}
		given = l
	default:
		s, err := a.claims.text("aud")
		if err != nil {
			return err
		}
		given = append(given, s)
	}
	if !slices.ContainsFunc(given, func(s string) bool { return slices.Contains(conf.Audiences, s) }) {
		return hintf("aud is %.200q, and audiences of this issuer are %q: ask for a token of the right resource, "+
			"or add the value if it stands for this server alone", given, conf.Audiences)
	}
	return nil
}

func checkTenant(_ context.Context, _ *Verifier, a *attempt) (err error) {
	claim, tenants := a.origin.issuer.tenants(a.origin)
	if claim == "" {
		return nil
	}
	if a.token.Tenant, err = a.claims.identifier(claim); err != nil {
		return err
	}
	if a.origin.issuer.entra() {
		a.token.Tenant = normalGUID(a.token.Tenant)
	}
	if !slices.Contains(tenants, a.token.Tenant) {
		return hintf("%s is %.100q and must be one of %q, as the configuration and iss say",
			claim, a.token.Tenant, tenants)
	}
	return nil
}

// date reads a NumericDate to the millisecond.
func (a *attempt) date(name string) (time.Time, error) {
	n, err := a.claims.seconds(name)
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(n * 1000)), nil
}

func (a *attempt) skew() time.Duration { return time.Duration(a.origin.issuer.conf.Skew) }

func checkExpires(_ context.Context, _ *Verifier, a *attempt) (err error) {
	if a.expires, err = a.date("exp"); err != nil {
		return err
	}
	if a.expires.IsZero() {
		return hintf("exp is missing; let the issuer limit how long its tokens are valid")
	}
	a.token.Expires = a.expires.Add(a.skew())
	if !a.now.Before(a.token.Expires) {
		return hintf("expired at %s; it is %s, and skew is %s: get a new token, or set the clocks right",
			a.expires.UTC().Format(time.RFC3339), a.now.UTC().Format(time.RFC3339), a.skew())
	}
	return nil
}

func checkNotBefore(_ context.Context, _ *Verifier, a *attempt) (err error) {
	if a.notBefore, err = a.date("nbf"); err != nil {
		return err
	}
	return a.inFuture("nbf", a.notBefore)
}

func checkIssuedAt(_ context.Context, _ *Verifier, a *attempt) (err error) {
	if a.issued, err = a.date("iat"); err != nil {
		return err
	}
	if a.issued.IsZero() {
		return hintf("iat is missing; let the issuer add it to access tokens")
	}
	return a.inFuture("iat", a.issued)
}

func (a *attempt) inFuture(name string, t time.Time) error {
	if t.After(a.now.Add(a.skew())) {
		return hintf("%s is %s; it is %s, and skew is %s: set the clocks of the issuer and of this machine right",
			name, t.UTC().Format(time.RFC3339), a.now.UTC().Format(time.RFC3339), a.skew())
	}
	return nil
}

// checkKind refuses tokens that are signed by the issuer for something else. An
// id token and an access token of one registration can share iss and aud.
func checkKind(_ context.Context, _ *Verifier, a *attempt) error {
	for _, name := range []string{"nonce", "at_hash", "c_hash"} {
		if a.claims.has(name) {
			return hintf("%s is a claim of id tokens; send the access token", name)
		}
	}
	if a.claims.has("cnf") {
		return hintf("cnf binds the token to a key of its holder, which is not checked here; ask for a bearer token")
	}
	return nil
}

// checkScopes maps what the token may do to our scopes.
func checkScopes(_ context.Context, _ *Verifier, a *attempt) error {
	mapping := a.origin.issuer.mapping
	for _, s := range []Scope{
		ScopeRead, ScopeSend, ScopeOversight, ScopeOversightRead, ScopeAuditRead, ScopeTighten,
	} {
		if slices.ContainsFunc(a.values, func(v string) bool { return slices.Contains(mapping[s], v) }) {
			a.token.Scopes = append(a.token.Scopes, s)
		}
	}
	switch {
	case len(a.token.Scopes) == 0:
		return hintf("none of its scopes or roles %.200q stands in [issuer.scopes]; "+
			"grant one in the issuer, or name it there", a.values)
	case slices.Contains(a.token.Scopes, ScopeSend) && slices.Contains(a.token.Scopes, ScopeOversight):
		return hintf("its scopes or roles %.200q mean both send and oversight; no token may do both: grant one of them",
			a.values)
	case slices.Contains(a.token.Scopes, ScopeSend) && slices.Contains(a.token.Scopes, ScopeAuditRead):
		return hintf("its scopes or roles %.200q mean both send and audit_read; no token may do both: grant one of them",
			a.values)
	}
	return nil
}

// refusal returns what a failed check means: a Refusal, or the error of an issuer
// that cannot be asked.
func (a *attempt) refusal(c check, err error) error {
	var h hint
	if !errors.As(err, &h) {
		return err
	}
	return &Refusal{Check: c.name, Issuer: a.token.Issuer, Hint: string(h)}
}
