package fetch

import (
	"net/netip"
)

// unicast are the blocks that IANA gives out for hosts of the Internet; all else
// is refused, and so are the parts of them below.
var unicast = prefixes("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3", "2000::/3")

// special are the parts of unicast that are not for hosts which anybody may
// reach: the special-purpose registries of IANA (RFC 6890, as of 2026), with the
// addresses that translate or tunnel to IPv4.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// IsPublic reports whether a is the address of a host of the Internet that anybody may reach.
func IsPublic(a netip.Addr) bool {
	return a.Zone() == "" && within(unicast, a) && !within(special, a)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
