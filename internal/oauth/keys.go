package oauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	refreshEvery = time.Hour        // keys are fetched again
	unknownEvery = 15 * time.Second // and for a kid that is not known, at most so often
	maxWait      = 2 * time.Second  // that a login waits for keys
	maxKeys      = 128              // of an issuer
	minRSA       = 2048             // bits of an RSA key (RFC 7518, section 3.3)
	maxRSA       = 8192             // bits; the work of a signature grows with it
)

// keys are those of one issuer, or of one tenant of it.
type keys struct {
	*cached
	source  source
	lookup  keyfunc.Keyfunc // in what is cached; never fetches
	client  jwkset.Storage  // fetches for a kid that is not known; nil for a file
	ready   chan struct{}   // closed after the first fetch, whatever its result
	flights singleflight.Group
}

// openKeys reads a key file, or begins to fetch keys until ctx ends.
func openKeys(ctx context.Context, s source) (*keys, error) {
	k := &keys{source: s, ready: make(chan struct{}), cached: &cached{MemoryJWKSet: jwkset.NewMemoryStorage(), source: s}}
	var err error
	if k.lookup, err = keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: k.cached}); err != nil {
		return nil, err
	}
	if s.file != "" {
		close(k.ready)
		return k, k.readFile(ctx)
	}
	go func() {
		defer close(k.ready)
		if err := k.fetch(ctx); err != nil {
			s.log.Warn("keys of an issuer not fetched", "issuer", s.name, "err", err)
		}
	}()
	return k, nil
}

func (k *keys) readFile(ctx context.Context) error {
	b, err := os.ReadFile(k.source.file)
	if err != nil {
		return fmt.Errorf("keys of issuer %s: %w", k.source.name, err)
	}
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(b, &set); err != nil {
		return fmt.Errorf("keys of issuer %s: the file is no JWK Set: %w", k.source.name, err)
	}
	var all []jwkset.JWK
	for _, m := range set.Keys {
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			return fmt.Errorf("keys of issuer %s: %w", k.source.name, err)
		}
		all = append(all, jwk)
	}
	if err := k.KeyReplaceAll(ctx, all); err != nil {
		return fmt.Errorf("keys of issuer %s: %w", k.source.name, err)
	}
	return nil
}

// fetch fetches the keys for the first time and starts to do it every hour.
func (k *keys) fetch(ctx context.Context) error {
	failed := func(_ context.Context, err error) {
		k.source.log.Warn("keys of an issuer not fetched", "issuer", k.source.name, "err", err)
	}
	remote, err := jwkset.NewStorageFromHTTP(k.source.url, jwkset.HTTPClientStorageOptions{
		Client: newClient(k.source), Ctx: ctx, HTTPTimeout: fetchTimeout, RefreshInterval: refreshEvery,
		NoErrorReturnFirstHTTPReq: true, RefreshErrorHandler: failed, Storage: k.cached,
	})
	if err != nil {
		return err
	}
	k.client, err = jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{k.source.url: remote},
		RefreshUnknownKID: rate.NewLimiter(rate.Every(unknownEvery), 1), RateLimitWaitMax: maxWait,
	})
	return err
}

// find returns the key of a kid. A kid that is not cached is looked for at the
// issuer, at a bounded rate: all logins that wait for keys share one fetch.
func (k *keys) find(ctx context.Context, kid, alg string) (crypto.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case <-k.ready:
	case <-ctx.Done():
		return nil, errUnavailable.Because(errors.New("the first fetch of the keys has not ended"))
	}
	if _, err := k.KeyRead(ctx, kid); err != nil && k.client != nil {
		flight := k.flights.DoChan("", func() (any, error) {
			return k.client.KeyRead(context.WithoutCancel(ctx), kid) // the library limits its time to maxWait
		})
		select {
		case <-flight:
		case <-ctx.Done():
		}
	}
	at, fresh := k.state()
	if !fresh {
		since := "yet"
		if !at.IsZero() {
			since = "since " + at.UTC().Format(time.RFC3339)
		}
		return nil, errUnavailable.Because(fmt.Errorf("the issuer %s has given no keys %s", k.source.name, since))
	}
	if _, err := k.KeyRead(ctx, kid); err != nil {
		return nil, hintf("the issuer has no key %.100q, as of %s: is the token of this issuer, and of this tenant?",
			kid, at.UTC().Format(time.RFC3339))
	}
	key, err := k.lookup.KeyfuncCtx(ctx)(&jwt.Token{Header: map[string]any{jwkset.HeaderKID: kid, "alg": alg}})
	if err != nil {
		return nil, hintf("the key %.100q is not for signatures with alg %.100q", kid, alg)
	}
	return key, nil
}

// algorithmsOf returns the algorithms that a key is for, none for a key that is
// not used here.
func algorithmsOf(key crypto.PublicKey) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		if alg := curves[k.Curve.Params().BitSize]; alg != "" {
			return []string{alg}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// curves are the algorithms of the curves P-256, P-384 and P-521 by their bits.
var curves = map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}

// cached holds the keys of the last good answer for a limited time.
type cached struct {
	*jwkset.MemoryJWKSet
	source source

	mu         sync.Mutex
	fetched    time.Time // of the last good answer
	generation int       // counts the answers with other keys than the one before
}

// KeyReplaceAll takes an answer of the issuer. One without a key that can be used
// is an error, and leaves the keys as they were.
func (c *cached) KeyReplaceAll(ctx context.Context, given []jwkset.JWK) error {
	var usable []jwkset.JWK
	for _, jwk := range given {
		if forSignatures(jwk) {
			usable = append(usable, jwk)
		}
	}
	if len(usable) == 0 || len(usable) > maxKeys {
		return fmt.Errorf("the key set has %d keys that can be used here, and must have 1 to %d", len(usable), maxKeys)
	}
	before, _ := c.MemoryJWKSet.JSON(ctx) // nothing is unequal to anything
	if err := c.MemoryJWKSet.KeyReplaceAll(ctx, usable); err != nil {
		return err
	}
	after, _ := c.MemoryJWKSet.JSON(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetched = c.source.now()
	if before == nil || !bytes.Equal(before, after) {
		c.generation++
	}
	return nil
}

// forSignatures reports whether a key can verify tokens: it has a name and a good
// size, and is not meant for something else (RFC 7517, sections 4.2 and 4.3).
func forSignatures(jwk jwkset.JWK) bool {
	m := jwk.Marshal()
	return m.KID != "" && algorithmsOf(publicOf(jwk)) != nil && (m.USE == "" || m.USE == jwkset.UseSig) &&
		(len(m.KEYOPS) == 0 || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify))
}

// publicOf returns the public key of a JWK.
func publicOf(jwk jwkset.JWK) crypto.PublicKey {
	if k, ok := jwk.Key().(interface{ Public() crypto.PublicKey }); ok {
		return k.Public()
	}
	return jwk.Key()
}

// KeyRead finds nothing once the keys are too old.
func (c *cached) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	if _, fresh := c.state(); !fresh {
		return jwkset.JWK{}, jwkset.ErrKeyNotFound
	}
	return c.MemoryJWKSet.KeyRead(ctx, kid)
}

// state returns when the keys came, and whether they may still be used.
func (c *cached) state() (at time.Time, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetched.IsZero() {
		return c.fetched, false
	}
	return c.fetched, c.source.file != "" || c.source.now().Before(c.fetched.Add(c.source.survive))
}

// version tells one set of keys from the next one.
func (c *cached) version() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}
