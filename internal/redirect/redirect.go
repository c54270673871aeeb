// Package redirect reads the redirect URIs of OAuth clients, and the hosts that a setting allows
// in them. One rule for all of them says what a host is, so that what is read here can stand in
// a header and on a page as it is.
package redirect

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Loopback is the word for the machine of whoever opens a URI, in a list of allowed hosts.
const Loopback = "loopback"

// maxURI bounds a URI, in octets.
const maxURI = 512

// URI is a redirect URI that a client may have: https, or http on a loopback host (RFC 8252,
// section 7.3), absolute, without a user and without a fragment. The zero URI is none.
type URI struct {
	raw, scheme, host, port, rest string
}

// String returns the URI octet by octet as it was read.
func (u URI) String() string { return u.raw }

// Host returns the host: a name in lower case, or an address of loopback, of IPv6 in brackets.
func (u URI) Host() string { return u.host }

// Origin returns scheme, host and port.
func (u URI) Origin() string {
	if u.raw == "" {
		return ""
	}
	return u.raw[:len(u.raw)-len(u.rest)]
}

// Parse reads a redirect URI. An error says what one is.
func Parse(raw string) (URI, error) {
	scheme, rest, found := strings.Cut(raw, "://")
	switch {
	case len(raw) > maxURI || !isURI(raw):
		return URI{}, errors.New("a redirect URI is a URL of at most " + strconv.Itoa(maxURI) +
			" characters, those of RFC 3986 alone")
	case !found || scheme != "https" && scheme != "http":
		return URI{}, errScheme
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	u := URI{raw: raw, scheme: scheme, rest: rest[end:]}
	if strings.ContainsAny(raw, "#") || strings.Contains(rest[:end], "@") || strings.ContainsAny(u.rest, "[]") {
		return URI{}, errors.New("a redirect URI has a host, no user and no fragment")
	}
	var ok bool
	if u.host, u.port, ok = cutPort(rest[:end]); !ok {
		return URI{}, errors.New("the port of a redirect URI is 1 to 65535, without a zero in front")
	}
	if !IsHost(u.host) {
		return URI{}, errors.New("the host of a redirect URI is a name of letters, digits, hyphens and dots in lower case " +
			"(an international one in its xn-- form), or 127.0.0.1, [::1] or localhost")
	}
	if scheme == "http" && !isLoopback(u.host) {
		return URI{}, errScheme
	}
	return u, nil
}

var errScheme = errors.New("a redirect URI is https, or http on 127.0.0.1, [::1] or localhost")

// Matches reports whether a client that has the URI may be sent to asked: it is the same string,
// or differs in the port alone, where both are http on loopback (RFC 8252, section 7.3).
func (u URI) Matches(asked URI) bool {
	if u.raw == asked.raw {
		return u.raw != ""
	}
	return u.scheme == "http" && asked.scheme == "http" && u.host == asked.host && u.rest == asked.rest
}

// Allowed reports whether the host is one of a list: names, "*." and a name for all names below
// it, and Loopback.
func (u URI) Allowed(hosts []string) bool {
	for _, h := range hosts {
		suffix, below := strings.CutPrefix(h, "*")
		switch {
		case isLoopback(u.host):
			if h == Loopback {
				return true
			}
		case h == u.host, below && strings.HasSuffix(u.host, suffix) && len(u.host) > len(suffix):
			return true
		}
	}
	return false
}

// IsAllowable reports whether a text may stand in a list of allowed hosts. A name there has a
// dot: all names of a whole top-level domain are never meant.
func IsAllowable(s string) bool {
	name := strings.TrimPrefix(s, "*.")
	return s == Loopback || strings.Contains(name, ".") && IsHost(name) && !isLoopback(name)
}

// isURI reports whether all characters are those of a URI (RFC 3986, section 2), and each % begins
// an octet.
func isURI(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		case !isAlnum(c) && !strings.Contains("-._~:/?#[]@!$&'()*+,;=", string(rune(c))):
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isHex(c byte) bool { return c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c >= '0' && c <= '9' }

// cutPort cuts the port off an authority; port is "" for none.
func cutPort(s string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || colon < strings.LastIndexByte(s, ']') {
		return s, "", true
	}
	host, port = s[:colon], s[colon+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	return host, port, err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// IsHost reports whether a text is a host that may stand in a redirect URI: a name of letters in
// lower case, digits, hyphens and dots, whose international labels are A-labels (RFC 5890), or an
// address of loopback in its one spelling. Other addresses have no name that a person could know.
func IsHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6() && !a.Is4In6() && a.Zone() == "" && a.IsLoopback() && a.String() == inner
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Is4() && a.IsLoopback()
	}
	return isName(s)
}

// isName reports whether a text is the name of a host.
func isName(s string) bool {
	labels := strings.Split(s, ".")
	international := false
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
		if len(l) > 3 && l[2:4] == "--" {
			international = true
		}
	}
	// A last label that is a number makes browsers read an address of IPv4.
	last := labels[len(labels)-1]
	if len(s) > 253 || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return false
	}
	if !international {
		return true
	}
	readable, err := idna.Lookup.ToUnicode(s)
	if err != nil {
		return false
	}
	ascii, err := idna.Lookup.ToASCII(readable)
	return err == nil && ascii == s
}

// isLoopback reports whether a host is this machine for whoever opens a URI.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.IsLoopback()
}
