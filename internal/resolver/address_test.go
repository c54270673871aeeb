package resolver_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/internal/resolver"
)

// of answers each question with the records of its type, and none with an empty answer.
func of(t *testing.T, records ...string) func(*dns.Msg, string) {
	var all []dns.RR
	for _, r := range records {
		all = append(all, rr(t, r))
	}
	return func(reply *dns.Msg, _ string) {
		for _, r := range all {
			if r.Header().Rrtype == reply.Question[0].Qtype {
				reply.Answer = append(reply.Answer, r)
			}
		}
	}
}

func TestAddressesOfAHost(t *testing.T) {
	s := serve(t, of(t, `a.test. 60 IN A 192.0.2.1`, `a.test. 60 IN A 192.0.2.2`, `a.test. 60 IN AAAA 2001:db8::1`,
		`a.test. 60 IN AAAA ::ffff:192.0.2.9`))
	r := newResolver(t, s.addr)
	four := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	six := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.9")}
	for network, want := range map[string][]netip.Addr{"ip4": four, "ip6": six, "ip": slices.Concat(four, six)} {
		got, err := r.LookupNetIP(t.Context(), network, "A.test.")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", network, got, err, want)
		}
	}
	if _, err := r.LookupNetIP(t.Context(), "tcp", "a.test"); err == nil {
		t.Error("tcp is taken for a network of addresses")
	}
}

// One family is enough; that one of them is unknown is not that there is none.
func TestAFamilyThatIsNotThere(t *testing.T) {
	one := serve(t, of(t, `a.test. 60 IN AAAA 2001:db8::1`))
	got, err := newResolver(t, one.addr).LookupNetIP(t.Context(), "ip", "a.test")
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	none := serve(t, answering(t))
	if _, err = newResolver(t, none.addr).LookupNetIP(t.Context(), "ip", "a.test"); !errors.Is(err, resolver.ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
	for _, broken := range []uint16{dns.TypeA, dns.TypeAAAA} {
		s := serve(t, func(reply *dns.Msg, _ string) {
			if reply.Question[0].Qtype == broken {
				reply.Rcode = dns.RcodeServerFailure
			}
		})
		_, err := newResolver(t, s.addr).LookupNetIP(t.Context(), "ip", "a.test")
		if !errors.Is(err, resolver.ErrTemporary) {
			t.Errorf("got %v, want ErrTemporary", err)
		}
	}
}

func TestNamesOfAnAddress(t *testing.T) {
	s := serve(t, answering(t, `1.2.0.192.in-addr.arpa. 60 IN PTR A.Test.`, `1.2.0.192.in-addr.arpa. 60 IN PTR b.test.`))
	for _, addr := range []string{"192.0.2.1", "::ffff:192.0.2.1"} {
		got, err := newResolver(t, s.addr).PTR(t.Context(), netip.MustParseAddr(addr))
		if err != nil || !slices.Equal(got, []string{"a.test", "b.test"}) {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	_, err := newResolver(t, s.addr).PTR(t.Context(), netip.MustParseAddr("2001:db8::1%eth0"))
	if !errors.Is(err, resolver.ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
}
