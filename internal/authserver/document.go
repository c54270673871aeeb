package authserver

import (
	"context"
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/redirect"
	"github.com/multimail/multimail/internal/store"
)

// A client may publish what it is: its id is then the URL of a document (OAuth Client ID
// Metadata Document). What the document names is fetched if the checks need it, and nothing
// else: no logo, no policy.

const (
	maxDocument   = 5 << 10 // octets
	maxKeys       = 20 << 10
	documentAge   = 5 * time.Minute  // how long a document is believed
	keysAge       = 30 * time.Second // the same of keys among which one is missing
	maxDocuments  = 256
	maxClientKeys = 20
)

// documents keeps what was fetched.
type documents struct {
	mu   sync.Mutex
	kept map[string]fetched
}

type fetched struct {
	body []byte
	at   time.Time
}

// isDocumentURL reports whether a client id, or a jwks_uri, is the URL of a document: https,
// a host with a dot and no port, or one inside; a path, and nothing that two readers could
// take differently.
func (s *Server) isDocumentURL(id string) bool {
	u, err := url.Parse(id)
	if err != nil || len(id) > maxURI || u.Scheme != "https" || u.User != nil || u.Fragment != "" ||
		u.RawQuery != "" || strings.ContainsAny(id, "?#\\ ") || u.Path == "" || u.Path == "/" {
		return false
	}
	inside := s.o.Inside != nil && s.o.Inside(u.Hostname())
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.Is4In6() || a.String() != u.Hostname()) {
		return false // another spelling of an address
	}
	return u.String() == id && u.Host == strings.ToLower(u.Host) &&
		(inside || u.Port() == "" && strings.Contains(u.Host, ".") && redirect.IsHost(u.Host)) &&
		!slices.ContainsFunc(strings.Split(u.Path, "/"), func(p string) bool { return p == "." || p == ".." })
}

// get fetches a document, or returns one that is younger than age.
func (s *Server) get(ctx context.Context, address string, limit int, age time.Duration) ([]byte, *Error) {
	if s.o.Fetch == nil {
		return nil, refuse(InvalidClient, "clients that publish a document are not taken here")
	}
	var now time.Time
	if err := s.o.Store.View(ctx, func(tx store.Tx) error { now = tx.Now(); return nil }); err != nil {
		return nil, refuse(TemporarilyUnavailable, "try again later")
	}
	s.documents.mu.Lock()
	had, ok := s.documents.kept[address]
	s.documents.mu.Unlock()
	if ok && now.Sub(had.at) < age {
		return had.body, nil
	}
	body, err := s.o.Fetch(ctx, address)
	if err != nil || len(body) > limit {
		s.o.Log.Warn("client document", "url", address, "err", err)
		return nil, refuse(InvalidClient, "the document of the client cannot be fetched over HTTPS, or is too large")
	}
	s.documents.mu.Lock()
	defer s.documents.mu.Unlock()
	if s.documents.kept == nil || len(s.documents.kept) >= maxDocuments {
		s.documents.kept = map[string]fetched{} // it is a cache: all are fetched again
	}
	s.documents.kept[address] = fetched{body, now}
	return body, nil
}

// document returns the client that a document describes. Its redirect URIs are of hosts
// that the operator allows.
func (s *Server) document(ctx context.Context, id string) (Client, error) {
	if len(s.o.Hosts) == 0 {
		return Client{}, refuse(InvalidClient, "clients that publish a document are not taken here")
	}
	body, e := s.get(ctx, id, maxDocument, documentAge)
	if e != nil {
		return Client{}, e
	}
	var m struct {
		ID string `json:"client_id"`
		Metadata
	}
	if err := json.Unmarshal(body, &m); err != nil || m.ID != id {
		return Client{}, refuse(InvalidClient, "the document of the client is not JSON, or has another client_id")
	}
	if m.Method == "" {
		m.Method = MethodNone
	}
	if m.Method != MethodNone && m.Method != MethodSigned {
		return Client{}, refuse(InvalidClient, "a client with a document has no secret: none or private_key_jwt")
	}
	c, e := s.described(m.Metadata)
	if e != nil {
		return Client{}, refuse(InvalidClient, "%s", e.Description)
	}
	c.ID, c.Source = id, ByDocument
	return c, nil
}
