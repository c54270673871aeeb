package httpd

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// guard stands before everything that comes over TCP: which host it asks for,
// whether another site's page sent it, and what a browser may do with answers.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, refuse(http.StatusForbidden, "requests from other sites are refused"))
	}))
	next = cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if !s.hostAllowed(r.Host) {
			s.fail(w, r, refuse(http.StatusForbidden, "this host name is not served here"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) hostAllowed(host string) bool {
	if len(s.o.AllowedHosts) == 0 {
		return true
	}
	return slices.ContainsFunc(s.o.AllowedHosts, func(a string) bool {
		return strings.EqualFold(strings.Trim(a, "[]"), hostname(host))
	})
}

// hostname returns a Host header without its port, brackets and final dot.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}
