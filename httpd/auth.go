package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// What a listener knows of a connection travels in its context; it is not the
// principal, only what the principal is found by.
type peerKey struct{} // peer: the other end of the unix socket

// peer is the process at the other end of the unix socket.
type peer struct {
	uid int
	err error // why it is not known
}

var errNoKey = refuse(http.StatusUnauthorized, "an API key is needed: Authorization: Bearer KEY")

// authenticate finds out who makes a request.
func (s *Server) authenticate(r *http.Request) (registry.Principal, error) {
	secret, err := presented(r.Header)
	if err != nil {
		return registry.Principal{}, err
	}
	p, err := s.principal(r.Context(), secret, remote(r), authserver.ResourceREST)
	p.Trace = api.Traceparent(r.Header.Get("Traceparent"))
	return p, err
}

// principal finds out whose key, or token for a resource, it is that came from an address.
func (s *Server) principal(ctx context.Context, secret, ip, resource string) (registry.Principal, error) {
	at, local := ctx.Value(peerKey{}).(peer)
	if local && at.err != nil {
		return registry.Principal{}, at.err // invariant 7
	}
	if secret == "" {
		if local {
			recognise(ctx)
			return registry.Socket(at.uid, s.o.Dev), nil
		}
		return registry.Principal{}, errNoKey
	}
	if wait := s.o.Logins.Wait(ip); wait > 0 {
		return registry.Principal{}, tooFast(mail.LimitFailedLoginsSource, wait,
			"too many requests with a key that is not valid")
	}
	from := registry.Origin{Door: "http", IP: ip}
	if s.o.OAuth != nil {
		from.Resource = s.o.OAuth.Origin + resource
	}
	p, err := s.o.Auth.ByBearer(ctx, secret, from)
	if err == nil {
		recognise(ctx)
		if local {
			p.UID = at.uid
		}
		if wait := s.rate.Take(p.ID() + " " + p.Credential.ID); wait > 0 {
			return registry.Principal{}, tooFast(mail.LimitRequestRate, wait, "too many requests with this API key")
		}
		return p, nil
	}
	if errors.Is(err, registry.ErrCredentials) {
		s.o.Logins.Failed(ip, "") // an unknown key has no account
		s.o.Metrics.AuthFailures.WithLabelValues("http").Inc()
		s.o.Log.Warn("auth", "door", "http", "remote", ip)
	}
	return registry.Principal{}, err
}

// tooFast is a refusal of what may be done again after wait.
func tooFast(l mail.Limit, wait time.Duration, what string) error {
	return &refusal{status: http.StatusTooManyRequests, text: what + "; try again later", limit: l, after: wait}
}

// presented returns the key in the header fields.
func presented(h http.Header) (string, error) {
	key, err := api.PresentedKey(h)
	if err != nil {
		return "", refuse(http.StatusUnauthorized, "%s", err)
	}
	return key, nil
}

// remote returns the address of the client without its port. Headers that a
// client could write itself are not asked.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
