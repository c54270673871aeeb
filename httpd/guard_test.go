package httpd

import (
	"net/http/httptest"
	"testing"
)

func TestForeignHostsAndSitesAreRefused(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		name, method, host, origin, site string
		allowed                          []string
		want                             int
	}{
		{"any host where none is named", "GET", "whatever.example", "", "", nil, 200},
		{"a host that is named", "GET", "localhost:8080", "", "", []string{"localhost", "127.0.0.1", "::1"}, 200},
		{"in other letters, with a dot", "GET", "LocalHost.:8080", "", "", []string{"localhost"}, 200},
		{"an address", "GET", "127.0.0.1:8080", "", "", []string{"localhost", "127.0.0.1"}, 200},
		{"an IPv6 address", "GET", "[::1]:8080", "", "", []string{"::1"}, 200},
		{"a rebound name", "GET", "evil.example:8080", "", "", []string{"localhost"}, 403},
		{"a name that only begins so", "GET", "localhost.evil.example", "", "", []string{"localhost"}, 403},
		{"no host", "GET", "", "", "", []string{"localhost"}, 403},
		{"a post from another origin", "POST", "mail.example", "https://evil.example", "", nil, 403},
		{"a post from another site", "POST", "mail.example", "", "cross-site", nil, 403},
		{"a post from no page", "POST", "mail.example", "", "", nil, 200},
		{"a post from its own page", "POST", "mail.example", "https://mail.example", "same-origin", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.s.o.AllowedHosts = c.allowed
			target, body := "/v1/mailboxes", ""
			if c.method == "POST" {
				target = "/v1/audit-log/verify"
			}
			r := h.request("admin", c.method, target, body)
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			w := httptest.NewRecorder()
			h.s.Handler().ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, c.want)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func TestAnswersArePrivate(t *testing.T) {
	h := newFixture(t)
	for _, target := range []string{"/v1/mailboxes", "/v1/nothing", "/health"} {
		r := h.do("sender", "GET", target, "")
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" ||
			r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", target, r.header)
		}
	}
}
