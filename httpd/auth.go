package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// What a listener knows of a connection travels in its context; it is not the
// principal, only what the principal is found by.
type (
	peerKey struct{} // peer: the other end of the unix socket
	doorKey struct{} // string: the door that calls in-process
)

// peer is the process at the other end of the unix socket.
type peer struct {
	uid int
	err error // why it is not known
}

var errNoKey = refuse(http.StatusUnauthorized, "an API key is needed: Authorization: Bearer KEY")

// authenticate finds out who asks.
func (s *Server) authenticate(r *http.Request) (registry.Principal, error) {
	secret, err := presented(r.Header)
	if err != nil {
		return registry.Principal{}, err
	}
	at, local := r.Context().Value(peerKey{}).(peer)
	if local && at.err != nil {
		return registry.Principal{}, at.err // LAW 7
	}
	if secret == "" {
		if local {
			recognise(r.Context())
			return registry.Socket(at.uid, s.o.Dev), nil
		}
		return registry.Principal{}, errNoKey
	}
	if wait := s.o.Logins.Wait(remote(r)); wait > 0 {
		return registry.Principal{}, tooFast(mail.LimitFailedLoginsSource, wait, "too many requests with a key that is not valid")
	}
	var p registry.Principal
	err = s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		p, err = s.o.Registry.ByKey(tx, secret)
		return err
	})
	if err == nil {
		recognise(r.Context())
		if local {
			p.UID = at.uid
		}
		p.IP = remote(r)
		if wait := s.rate.Take(p.ID() + " " + p.Key); wait > 0 {
			return registry.Principal{}, tooFast(mail.LimitRequestRate, wait, "too many requests with this API key")
		}
		return p, nil
	}
	if errors.Is(err, registry.ErrCredentials) {
		s.o.Logins.Failed(remote(r), "") // an unknown key has no account
		s.strange(r)
	}
	return registry.Principal{}, err
}

// tooFast is a refusal of what may be done again after wait.
func tooFast(l mail.Limit, wait time.Duration, what string) error {
	return &refusal{status: http.StatusTooManyRequests, text: what + "; try again later", limit: l, after: wait}
}

// presented returns the key in the headers. Two that differ could be read as
// either, so they count as none.
func presented(h http.Header) (string, error) {
	var keys []string
	for _, v := range h.Values("Authorization") {
		scheme, rest, ok := strings.Cut(v, " ")
		switch {
		case !ok:
			keys = append(keys, v)
		case strings.EqualFold(scheme, "Bearer"):
			keys = append(keys, strings.TrimSpace(rest))
		default:
			return "", refuse(http.StatusUnauthorized, "only API keys are known here: Authorization: Bearer KEY")
		}
	}
	keys = append(keys, h.Values("X-API-Key")...)
	if len(keys) == 0 {
		return "", nil
	}
	for _, k := range keys {
		if k == "" || k != keys[0] {
			return "", refuse(http.StatusUnauthorized, "the request has more than one API key, or an empty one")
		}
	}
	return keys[0], nil
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

// strange records a key that is none.
func (s *Server) strange(r *http.Request) {
	s.o.Metrics.AuthFailures.WithLabelValues("http").Inc()
	s.o.Log.Warn("auth", "door", "http", "remote", remote(r))
	if !s.noise.AllowN(s.o.Now(), 1) {
		return
	}
	err := s.o.Store.Update(context.WithoutCancel(r.Context()), func(tx store.Tx) error {
		return s.o.Registry.NoteAuthFailure(tx, "http", remote(r), "")
	})
	if err != nil {
		s.o.Log.Error("audit", "err", err)
	}
}

// overreach records that a principal asked for what its scopes do not allow.
// Who only looks leaves no entry, and of an order its guard leaves one.
func (s *Server) overreach(r *request, need string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.route.Order != "" {
		return
	}
	s.o.Gate.NoteRefusal(r.Context(), r.p, audit.Record{Kind: audit.AuthFail,
		Facts: map[string]string{"door": r.door, "need": need, "route": r.route.String()}})
}
