package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// guard stands before everything that comes over TCP: which host it asks for,
// whether another site's page sent it, and what a browser may do with answers.
func (s *Server) guard(next http.Handler, allowed func(*http.Request) bool) http.Handler {
	cross := http.NewCrossOriginProtection()
	for _, path := range []string{pathToken, pathRegister, pathRevoke, pathIntrospect} { // no cookie counts there
		cross.AddInsecureBypassPattern("POST " + path)
	}
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, refuse(http.StatusForbidden, "requests from other sites are refused"))
	}))
	next = cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if !allowed(r) {
			s.fail(w, r, refuse(http.StatusForbidden, "this host name is not served here"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// listed allows the names of AllowedHosts, or any where there are none.
func (s *Server) listed(r *http.Request) bool {
	return len(s.o.AllowedHosts) == 0 || slices.ContainsFunc(s.o.AllowedHosts, func(a string) bool {
		return strings.EqualFold(strings.Trim(a, "[]"), hostname(r.Host))
	})
}

// onLoopback is listed for a listener on a loopback address: without a list
// only loopback names are allowed, since a page in a browser on this machine can
// make its own name point here (DNS rebinding). The public key documents are
// served for the operator's own domains too, behind a proxy that passes Host on.
func (s *Server) onLoopback(r *http.Request) bool {
	if len(s.o.AllowedHosts) > 0 {
		return s.listed(r)
	}
	host := hostname(r.Host)
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	public := strings.HasPrefix(r.URL.Path, "/.well-known/") && path.Clean(r.URL.Path) == r.URL.Path
	return strings.EqualFold(host, "localhost") || public && s.ownDomain(r, host) ||
		r.URL.Path == api.GetMTASTS.Path && s.ownDomain(r, strings.TrimPrefix(strings.ToLower(host), "mta-sts."))
}

// ownDomain reports whether host is a sending domain of this installation.
func (s *Server) ownDomain(r *http.Request, host string) bool {
	domain, err := mail.ParseDomain(host)
	if err != nil {
		return false
	}
	return s.o.Store.View(r.Context(), func(tx store.Tx) error {
		_, err := s.o.Registry.Domain(tx, domain)
		return err
	}) == nil
}

// loopback reports whether a listener can be reached from this machine alone.
func loopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// hostname returns a Host header without its port, brackets and final dot.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}
