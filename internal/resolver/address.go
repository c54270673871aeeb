package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// A returns the IPv4 addresses of a host.
func (r *Resolver) A(ctx context.Context, host string) ([]netip.Addr, error) {
	records, err := r.lookup(ctx, host, dns.TypeA)
	var out []netip.Addr
	for _, rr := range records {
		if a, ok := netip.AddrFromSlice(rr.(*dns.A).A); ok {
			out = append(out, a.Unmap())
		}
	}
	return out, err
}

// AAAA returns the IPv6 addresses of a host.
func (r *Resolver) AAAA(ctx context.Context, host string) ([]netip.Addr, error) {
	records, err := r.lookup(ctx, host, dns.TypeAAAA)
	var out []netip.Addr
	for _, rr := range records {
		if a, ok := netip.AddrFromSlice(rr.(*dns.AAAA).AAAA); ok {
			out = append(out, a)
		}
	}
	return out, err
}

// PTR returns the names of an address, lower case and without a final dot.
func (r *Resolver) PTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	records, err := r.lookup(ctx, name, dns.TypePTR)
	var out []string
	for _, rr := range records {
		out = append(out, strings.TrimSuffix(strings.ToLower(rr.(*dns.PTR).Ptr), "."))
	}
	return out, err
}

// LookupNetIP returns the addresses of a host. The network "ip4" or "ip6" asks for one
// family, "ip" for both: one family that has an answer suffices. It has the form of
// the method of net.Resolver.
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	switch network {
	case "ip4":
		return r.A(ctx, host)
	case "ip6":
		return r.AAAA(ctx, host)
	case "ip":
		four, err4 := r.A(ctx, host)
		six, err6 := r.AAAA(ctx, host)
		all := append(four, six...)
		switch {
		case len(all) > 0:
			return all, nil
		case errors.Is(err4, ErrTemporary):
			return nil, err4
		}
		return nil, err6
	}
	return nil, fmt.Errorf("resolver: %.20q is no network of addresses", network)
}
