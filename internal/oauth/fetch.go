package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/multimail/multimail/internal/config"
)

const (
	fetchTimeout = 10 * time.Second
	maxDocument  = 1 << 20  // octets of a key set, and of an OpenID configuration
	maxHeader    = 64 << 10 // octets of the header of an answer
)

// newClient returns a client that follows no redirect and reads no endless answer.
func newClient(s source) *http.Client {
	base := s.transport
	if base == nil {
		base = &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: fetchTimeout / 2}).DialContext, TLSHandshakeTimeout: fetchTimeout / 2,
			ResponseHeaderTimeout: fetchTimeout / 2, MaxResponseHeaderBytes: maxHeader,
			ForceAttemptHTTP2: true, MaxIdleConns: 2, IdleConnTimeout: time.Minute,
		}
	}
	return &http.Client{
		Transport: fetcher{base, s.discovers}, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetcher answers a request with a key set. With an issuer to discover it asks for
// the OpenID configuration first, each time, so that a moved key set is found.
type fetcher struct {
	base      http.RoundTripper
	discovers string
}

// RoundTrip limits the body of the answer.
func (f fetcher) RoundTrip(req *http.Request) (*http.Response, error) {
	if f.discovers != "" {
		at, err := f.discover(req)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.URL, req.Host = at, at.Host
	}
	return f.get(req)
}

func (f fetcher) get(req *http.Request) (*http.Response, error) {
	resp, err := f.base.RoundTrip(req)
	if err == nil {
		resp.Body = &limited{resp.Body, maxDocument}
	}
	return resp, err
}

// discover returns where the key set is (OpenID Connect Discovery 1.0, section 4).
func (f fetcher) discover(req *http.Request) (*url.URL, error) {
	resp, err := f.get(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the OpenID configuration was answered %d", resp.StatusCode)
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return nil, fmt.Errorf("the OpenID configuration cannot be read: %w", err)
	}
	if doc.Issuer != f.discovers {
		return nil, fmt.Errorf("the OpenID configuration is of the issuer %.200q, not of %q", doc.Issuer, f.discovers)
	}
	if problem := config.Fetchable(doc.JWKSURI); problem != "" {
		return nil, fmt.Errorf("jwks_uri of the OpenID configuration: %s", problem)
	}
	at, err := url.Parse(doc.JWKSURI)
	if err == nil && at.Scheme == "http" && req.URL.Scheme != "http" {
		return nil, errors.New("jwks_uri of the OpenID configuration: must begin with https://")
	}
	return at, err
}

// limited is a body that fails beyond n octets.
type limited struct {
	io.ReadCloser
	n int
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b[:min(len(b), l.n+1)])
	if n > l.n {
		return 0, fmt.Errorf("an answer of the issuer is longer than %d octets", maxDocument)
	}
	l.n -= n
	return n, err
}

// open opens the keys of a source for as long as v is open.
func (v *Verifier) open(s source) (*keys, error) {
	return openKeys(v.ctx, s)
}

// Ready waits until the first fetch of all keys has ended, or ctx.
func (v *Verifier) Ready(ctx context.Context) error {
	for _, o := range v.origins {
		select {
		case <-o.keys.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
