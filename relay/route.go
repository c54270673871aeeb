package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// hop is a host that may take the mail. By MX its addresses are looked up and
// checked before one of them is dialled; a smarthost is taken as configured.
type hop struct {
	name string
	addr string // host:port
	byMX bool
}

// rooted looks up names as they are: the search list of resolv.conf would turn
// a domain that does not exist into one that does.
type rooted struct{ r *net.Resolver }

func (r rooted) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return r.r.LookupMX(ctx, name+".")
}

func (r rooted) LookupHost(ctx context.Context, host string) ([]string, error) {
	return r.r.LookupHost(ctx, strings.TrimSuffix(host, ".")+".")
}

// route lists the hosts for a domain, the one to be tried first in front (RFC
// 5321, section 5.1).
func (c *Client) route(ctx context.Context, domain string) ([]hop, *failure) {
	if c.o.Smarthost != "" {
		name, _, _ := net.SplitHostPort(c.o.Smarthost)
		return []hop{{name: name, addr: c.o.Smarthost}}, nil
	}
	mxs, err := c.o.Resolver.LookupMX(ctx, domain)
	switch {
	case len(mxs) > 0: // with an error beside it, some of them were malformed
	case err == nil || notFound(err):
		mxs = []*net.MX{{Host: domain}} // no MX: the domain is its own host
	default:
		c.o.Log.Debug("attempt", "remote", domain, "err", err)
		return nil, temporary("4.4.3", "the DNS gives no answer for %s", domain)
	}
	// RFC 7505: a null MX takes no mail at all.
	if len(mxs) == 1 && strings.TrimSuffix(mxs[0].Host, ".") == "" {
		return nil, permanent("5.1.10", "%s accepts no mail (null MX)", domain)
	}
	mxs = slices.Clone(mxs)
	slices.SortStableFunc(mxs, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var hops []hop
	for _, mx := range mxs {
		name := strings.ToLower(strings.TrimSuffix(mx.Host, "."))
		if c.isSelf(name) {
			break // this host and those it is preferred to would only send it back
		}
		if name != "" {
			hops = append(hops, hop{name: name, addr: net.JoinHostPort(name, "25"), byMX: true})
		}
	}
	if len(hops) == 0 {
		return nil, loops(domain)
	}
	return hops, nil
}

func loops(name string) *failure {
	return permanent("5.4.6", "mail for %s would come back to this host", name)
}

// addresses returns what to dial for h.
func (c *Client) addresses(ctx context.Context, h hop) ([]string, *failure) {
	if !h.byMX {
		return []string{h.addr}, nil
	}
	ips, err := c.o.Resolver.LookupHost(ctx, h.name)
	if notFound(err) || err == nil && len(ips) == 0 {
		return nil, permanent("5.1.2", "%s has no address", h.name)
	}
	if err != nil {
		c.o.Log.Debug("attempt", "remote", h.name, "err", err)
		return nil, temporary("4.4.3", "the DNS gives no answer for %s", h.name)
	}
	var out []string
	for _, s := range ips {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			continue
		}
		// The address that is dialled is the one that was checked: no second DNS
		// query comes in between.
		if ip = ip.Unmap(); ip.IsLoopback() || ip.IsUnspecified() || c.own[ip.WithZone("")] {
			return nil, loops(h.name)
		}
		out = append(out, net.JoinHostPort(ip.String(), "25"))
	}
	if len(out) == 0 {
		return nil, permanent("5.1.2", "%s has no address", h.name)
	}
	return out, nil
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func (c *Client) isSelf(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		strings.EqualFold(name, c.o.Hostname)
}

// isLoopback reports whether host can only mean this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// learnOwn notes the addresses of this machine, for what an MX may not name.
func (c *Client) learnOwn() error {
	addrs, err := net.InterfaceAddrs()
	c.own = map[netip.Addr]bool{}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			c.own[p.Addr().Unmap().WithZone("")] = true
		}
	}
	return err
}
