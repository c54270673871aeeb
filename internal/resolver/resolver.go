// Package resolver asks the DNS and says what an answer is worth.
//
// There are three results of a lookup: records; [ErrNone], which is an answer
// that says that there are none; and [ErrTemporary], which says nothing about
// the records. A time-out, SERVFAIL, a refusal and an answer that cannot be
// used are of the last kind, never of the second: whoever acts on what a name
// has not must not act on a network that is down.
//
// The answers come from the resolver that the operator trusts; DNSSEC is its
// business, not ours.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Errors of a lookup, told apart with errors.Is.
var (
	// ErrNone: the name does not exist, or has no record of the type.
	ErrNone = errors.New("no such record")
	// ErrTemporary: no answer that can be used; what the name has is unknown.
	ErrTemporary = errors.New("no usable answer")
)

// Bounds of a lookup. An answer is 64 KiB at most by its length field.
const (
	maxCNAMEs = 8    // followed inside of one answer
	rounds    = 2    // over all servers
	udpSize   = 1232 // octets that cross every network in one piece (DNS flag day 2020)
)

// system is where the servers of this machine stand.
const system = "/etc/resolv.conf"

// Options say whom to ask, and for how long. Timeout is required.
type Options struct {
	Servers []string      // host:port each, in the order to ask; empty: those of the system
	Timeout time.Duration // of one question to one server
}

// Resolver looks names up. It keeps nothing: each lookup asks.
type Resolver struct{ o Options }

// New returns a Resolver. It asks nothing yet.
func New(o Options) (*Resolver, error) {
	if o.Timeout <= 0 {
		return nil, errors.New("resolver: Timeout is required")
	}
	for _, s := range o.Servers {
		if err := CheckServer(s); err != nil {
			return nil, fmt.Errorf("resolver: %w", err)
		}
	}
	return &Resolver{o}, nil
}

// CheckServer says why a text is not the host:port of a server.
func CheckServer(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("%.80q is not a host:port, such as 127.0.0.1:53", s)
	}
	return nil
}

// TXT returns the texts of a name, the strings of each joined (RFC 7208, 3.3).
func (r *Resolver) TXT(ctx context.Context, name string) ([]string, error) {
	records, err := r.lookup(ctx, name, dns.TypeTXT)
	var out []string
	for _, rr := range records {
		out = append(out, plain(strings.Join(rr.(*dns.TXT).Txt, "")))
	}
	return out, err
}

// MX is a host that takes mail for a domain.
type MX struct {
	Preference uint16
	Host       string // lower case, without a final dot; "" takes no mail (RFC 7505)
}

// MX returns the hosts that take mail for a name, in the order of the answer.
func (r *Resolver) MX(ctx context.Context, name string) ([]MX, error) {
	records, err := r.lookup(ctx, name, dns.TypeMX)
	var out []MX
	for _, rr := range records {
		mx := rr.(*dns.MX)
		out = append(out, MX{mx.Preference, strings.TrimSuffix(strings.ToLower(mx.Mx), ".")})
	}
	return out, err
}

// lookup asks the servers in turn until one gives an answer.
func (r *Resolver) lookup(ctx context.Context, name string, typ uint16) ([]dns.RR, error) {
	name = dns.CanonicalName(name)
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, fmt.Errorf("resolver: %.300q is not a domain name", name)
	}
	servers, err := r.servers()
	if err != nil {
		return nil, temporary(name, err)
	}
	for range rounds {
		for _, server := range servers {
			var records []dns.RR
			if records, err = r.ask(ctx, server, name, typ); err == nil || errors.Is(err, ErrNone) {
				return records, err
			}
			if ctx.Err() != nil {
				return nil, temporary(name, ctx.Err())
			}
		}
	}
	return nil, temporary(name, err)
}

func temporary(name string, err error) error {
	return fmt.Errorf("resolver: %s: %w: %w", strings.TrimSuffix(name, "."), ErrTemporary, err)
}

func (r *Resolver) servers() ([]string, error) {
	if len(r.o.Servers) > 0 {
		return r.o.Servers, nil
	}
	c, err := dns.ClientConfigFromFile(system)
	if err != nil || len(c.Servers) == 0 {
		return nil, errors.New("this machine names no DNS server; set dns.resolver")
	}
	var out []string
	for _, s := range c.Servers {
		out = append(out, net.JoinHostPort(s, c.Port))
	}
	return out, nil
}

// ask puts one question to one server: over UDP, then over TCP if the answer
// was cut off.
func (r *Resolver) ask(ctx context.Context, server, name string, typ uint16) ([]dns.RR, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, typ) // with a random id, which the client compares
	q.SetEdns0(udpSize, false)
	answer, err := r.exchange(ctx, "udp", server, q)
	if err == nil && answer.Truncated {
		answer, err = r.exchange(ctx, "tcp", server, q)
	}
	if err != nil {
		return nil, err
	}
	return read(answer, q.Question[0])
}

func (r *Resolver) exchange(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	c := dns.Client{Net: network, Timeout: r.o.Timeout, UDPSize: udpSize}
	answer, _, err := c.ExchangeContext(ctx, q, server)
	switch {
	case answer != nil && answer.Truncated && network == "udp":
		return answer, nil // cut off anywhere, perhaps inside of a record
	case err != nil:
		return nil, err
	}
	return answer, nil
}
