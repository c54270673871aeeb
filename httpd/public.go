package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// health says no more than whether mail can be taken: why not is in the log.
func (s *Server) health(_ context.Context, _ caller, _ api.None) (api.Health, error) {
	if err := s.o.Store.Healthy(); err != nil {
		s.o.Log.Warn("health", "err", err)
		return api.Health{Status: "degraded"}, nil
	}
	h := api.Health{Status: "ok", Clock: "ok"}
	if s.o.Clock.Doubt() != "" {
		h.Clock = "in doubt" // why is the operator's to read
	}
	return h, nil
}

func (s *Server) metrics(_ context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	s.o.Metrics.Handler().ServeHTTP(w, r)
	return nil
}

// signingKey serves the identity key document of a domain.
func (s *Server) signingKey(ctx context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	doc, err := s.document(ctx, r.Host)
	if err != nil {
		return err
	}
	return publish(w, r, doc, "application/json", keyAge)
}

// jwks serves the document's keys alone, for clients that want a set.
func (s *Server) jwks(ctx context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	doc, err := s.document(ctx, r.Host)
	if err != nil {
		return err
	}
	b, err := keySet(doc)
	if err != nil {
		return err
	}
	return publish(w, r, b, "application/jwk-set+json", keyAge)
}

// keyAge is how long anyone may keep a key document.
const keyAge = 24 * time.Hour

// publish writes what everyone may read, and keep for a time.
func publish(w http.ResponseWriter, r *http.Request, doc []byte, contentType string, age time.Duration) error {
	sum := sha256.Sum256(doc)
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(age.Seconds())))
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Vary", "Host")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(doc))
	return nil
}

// document returns the key document of the domain in Host, or else of the
// default domain, or else of the only one.
func (s *Server) document(ctx context.Context, host string) ([]byte, error) {
	var domains []registry.Domain
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		domains, err = s.o.Registry.Domains(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	host, name := strings.ToLower(hostname(host)), s.o.DefaultDomain
	if name == "" && len(domains) == 1 {
		name = domains[0].Name
	}
	for _, d := range domains {
		if d.Name == host {
			name = host
		}
	}
	if name == "" {
		return nil, missing("signing key for this host name")
	}
	return s.o.Identity.Document(name)
}
