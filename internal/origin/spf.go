package origin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// domainResult is the result of a method that speaks of one domain.
type domainResult struct{ mail.Check }

// spf checks whether the client may send for the domain of MAIL FROM, or for that of
// its EHLO name if the sender is null (RFC 7208, section 2.4). Where the client is a
// trusted hop, what the hop says of its own client stands in its place.
func (c *Checker) spf(ctx context.Context, e *examination, told *authResults) domainResult {
	if !e.m.Remote.IsValid() {
		return told.spf()
	}
	sender, domain := e.m.From.String(), e.m.From.Domain()
	if e.m.From.IsZero() {
		name, err := mail.ParseDomain(strings.TrimSuffix(e.m.Helo, "."))
		if err != nil {
			return domainResult{mail.Check{Result: none, Detail: "null sender, and the EHLO name is no domain"}}
		}
		sender, domain = "postmaster@"+name, name
	}
	return e.checkHost(ctx, spfQuestions, sender, domain)
}

// helo checks whether the client may call itself what it does (RFC 7208, section 2.3). It
// says nothing of MAIL FROM, and DMARC does not look at it. The zero result stands where
// there is nothing to say: the check of the sender was that of the name, the name is no
// domain, or its domain has no record.
func (c *Checker) helo(ctx context.Context, e *examination) domainResult {
	name, err := mail.ParseDomain(strings.TrimSuffix(e.m.Helo, "."))
	if !e.m.Remote.IsValid() || e.m.From.IsZero() || err != nil {
		return domainResult{}
	}
	r := e.checkHost(ctx, heloQuestions, "postmaster@"+name, name)
	if r.Result == none {
		return domainResult{}
	}
	return r
}

// checkHost evaluates the record of a domain for the client.
func (e *examination) checkHost(ctx context.Context, questions int, sender, domain string) domainResult {
	l, cancel := e.lookup(ctx, questions)
	defer cancel()
	r := &spfResolver{lookup: l, six: e.m.Remote.Unmap().Is6()}
	result, err := spf.CheckHostWithSender(net.IP(e.m.Remote.Unmap().AsSlice()), e.m.Helo, sender,
		spf.WithContext(l.ctx), spf.WithResolver(r))
	check := mail.Check{Result: string(result), Domain: domain, Detail: spfDetail(result, err)}
	if r.spent {
		check.Result, check.Detail = permerror, errSpent.Error()
	}
	return domainResult{check}
}

// spfDetail says in our words why a record could not be judged.
func spfDetail(result spf.Result, err error) string {
	switch {
	case result == spf.TempError:
		return "the DNS does not answer"
	case result != spf.PermError:
		return ""
	case errors.Is(err, spf.ErrLookupLimitReached):
		return "more than 10 lookups"
	case errors.Is(err, spf.ErrVoidLookupLimitReached):
		return "more than 2 lookups without an answer"
	case errors.Is(err, spf.ErrMultipleRecords):
		return "more than one record"
	case errors.Is(err, spf.ErrTooManyMXRecords):
		return "more than 10 hosts of an mx"
	}
	return "the record is malformed"
}

// spfResolver is the DNS as the SPF library asks it. Its errors must be net.DNSError.
type spfResolver struct {
	*lookup
	six   bool // the client has an IPv6 address
	spent bool
}

// dnsError turns an error of a lookup into what the library tells apart.
func (r *spfResolver) dnsError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSpent):
		r.spent = true
	case errors.Is(err, resolver.ErrTemporary):
		return &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true}
	}
	// A name that cannot be asked for does not exist (RFC 7208, section 4.3).
	return &net.DNSError{Err: err.Error(), Name: name, IsNotFound: !r.spent}
}

// LookupTXT returns the texts of a name.
func (r *spfResolver) LookupTXT(_ context.Context, name string) ([]string, error) {
	txt, err := r.txt(strings.ToLower(strings.TrimSuffix(name, ".")))
	return txt, r.dnsError(name, err)
}

// LookupMX returns the hosts of a name.
func (r *spfResolver) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	found, err := ask(r.lookup, func() ([]resolver.MX, error) { return r.dns.MX(r.ctx, name) })
	var out []*net.MX
	for _, mx := range found {
		out = append(out, &net.MX{Host: mx.Host, Pref: mx.Preference})
	}
	return out, r.dnsError(name, err)
}

// LookupIPAddr returns the IPv4 addresses of a host, and those of IPv6 if the client
// has such an address: an exists term looks for IPv4 only, whatever the client has.
func (r *spfResolver) LookupIPAddr(_ context.Context, host string) ([]net.IPAddr, error) {
	found, err := r.addresses(host, r.six)
	var out []net.IPAddr
	for _, a := range found {
		out = append(out, net.IPAddr{IP: net.IP(a.AsSlice())})
	}
	return out, r.dnsError(host, err)
}

// LookupAddr returns the names of an address.
func (r *spfResolver) LookupAddr(_ context.Context, addr string) ([]string, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, r.dnsError(addr, err)
	}
	names, err := ask(r.lookup, func() ([]string, error) { return r.dns.PTR(r.ctx, a) })
	return names, r.dnsError(addr, err)
}
