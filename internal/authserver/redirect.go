package authserver

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/redirect"
)

// Bounds of what a client says of itself.
const (
	maxRedirects = 10
	maxURI       = 512 // octets
	maxName      = 100 // octets
)

// hasRedirect reads the redirect URI that a request asks for; ok is false for one that the
// client does not have.
func (c Client) hasRedirect(asked string) (u redirect.URI, ok bool) {
	u, err := redirect.Parse(asked)
	if err != nil {
		return u, false
	}
	return u, slices.ContainsFunc(c.Redirects, func(raw string) bool {
		known, err := redirect.Parse(raw)
		return err == nil && known.Matches(u)
	})
}

// allowedHost reports whether a client that introduced itself may be sent to a URI: the
// operator lists the hosts.
func (s *Server) allowedHost(raw string) bool {
	u, err := redirect.Parse(raw)
	return err == nil && u.Allowed(s.o.Hosts)
}

// HostLoopback is the word for loopback hosts in Options.Hosts.
const HostLoopback = redirect.Loopback

// checkOrigin refuses what is no origin.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		strings.ContainsAny(origin, "#?") || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return refuse(InvalidRequest, "the public address is https:// and a host, or http:// and a loopback host")
	}
	return nil
}

// isLoopback reports whether a host of a URL is this machine for whoever opens it.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
