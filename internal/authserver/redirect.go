package authserver

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/multimail/multimail/mail"
)

// Bounds of what a client says of itself.
const (
	maxRedirects = 10
	maxURI       = 512 // octets
	maxName      = 100 // octets
)

// checkRedirect refuses a redirect URI that no client may have: it is absolute, has no
// fragment and no user, and is https, or http on a loopback host (RFC 8252, section 7.3).
func checkRedirect(raw string) *Error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > maxURI || !mail.AllPrintable(raw) || strings.Contains(raw, " "):
		return refuse(InvalidRedirect, "a redirect URI is a URL of at most %d characters", maxURI)
	case u.Opaque != "" || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Contains(raw, "#"):
		return refuse(InvalidRedirect, "a redirect URI has a host, no user and no fragment")
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme != "https":
		return refuse(InvalidRedirect, "a redirect URI is https, or http on 127.0.0.1, [::1] or localhost")
	}
	return nil
}

// isLoopback reports whether a host of a URL is this machine for whoever opens it.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// matchRedirect reports whether a client that has the redirect URI known may be sent to
// asked: it is the same string, or differs in the port alone, where both are http on
// loopback (RFC 8252, section 7.3).
func matchRedirect(known, asked string) bool {
	if known == asked {
		return true
	}
	k, err1 := url.Parse(known)
	a, err2 := url.Parse(asked)
	if err1 != nil || err2 != nil || k.Scheme != "http" || !isLoopback(k.Hostname()) || checkRedirect(asked) != nil {
		return false
	}
	at, ok := withoutPort(asked)
	from, ok2 := withoutPort(known)
	return ok && ok2 && at == from && a.Scheme == "http" && a.Hostname() == k.Hostname()
}

// withoutPort cuts the port out of the very string of a URL, so that nothing else may
// differ, not even by an escape.
func withoutPort(raw string) (string, bool) {
	rest, ok := strings.CutPrefix(raw, "http://")
	if !ok {
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		port := host[colon+1:]
		if port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
			return "", false
		}
		host = host[:colon]
	}
	return "http://" + host + path, true
}

// allowedHost reports whether a client that introduced itself may be sent to a URI: the
// operator lists the hosts. "loopback" stands for this machine of whoever signs in.
func (s *Server) allowedHost(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if isLoopback(host) {
		return slices.Contains(s.o.Hosts, HostLoopback)
	}
	return slices.ContainsFunc(s.o.Hosts, func(h string) bool {
		if suffix, ok := strings.CutPrefix(h, "*"); ok { // "*.example.com"
			return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
		}
		return host == h
	})
}

// HostLoopback is the word for loopback hosts in Options.Hosts.
const HostLoopback = "loopback"

// checkOrigin refuses what is no origin.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		strings.ContainsAny(origin, "#?") || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return refuse(InvalidRequest, "the public address is https:// and a host, or http:// and a loopback host")
	}
	return nil
}
