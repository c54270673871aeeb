package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// zone is a resolver with a few names.
type zone map[string]record

type record struct {
	mx  []string // in order of preference 10, 20, …; "=name" has the preference of the one before
	ip  []string
	err error
}

func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	r, ok := z[name]
	if !ok || r.err != nil || len(r.mx) == 0 {
		return nil, missing(name, r.err)
	}
	var out []*net.MX
	pref := uint16(0)
	for _, m := range r.mx {
		host, same := strings.CutPrefix(m, "=")
		if !same {
			pref += 10
		}
		// The last one first, since the sequence of an answer means nothing.
		out = append([]*net.MX{{Host: host + ".", Pref: pref}}, out...)
	}
	return out, nil
}

func (z zone) LookupHost(_ context.Context, name string) ([]string, error) {
	r, ok := z[name]
	if !ok || r.err != nil || len(r.ip) == 0 {
		return nil, missing(name, r.err)
	}
	return r.ip, nil
}

func missing(name string, err error) error {
	if err != nil {
		return err
	}
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// network maps addresses to next hops and records what was dialled.
type network struct {
	hops map[string]*mailtest.NextHop
	mu   sync.Mutex
	log  []string
}

func (n *network) dial(ctx context.Context, proto, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.log = append(n.log, strings.TrimSuffix(addr, ":25"))
	n.mu.Unlock()
	hop := n.hops[strings.TrimSuffix(addr, ":25")]
	if hop == nil {
		return nil, errors.New("no route to host")
	}
	return hop.Dial(ctx, proto, addr)
}

var servfail = &net.DNSError{Err: "server misbehaving", IsTemporary: true}

var routes = []struct {
	name string
	zone zone
	want string // of the result
	call string // addresses dialled, in order
}{
	{"the preferred MX is dialled",
		zone{"x.test": {mx: []string{"m1.test", "m2.test"}},
			"m1.test": {ip: []string{"192.0.2.1"}}, "m2.test": {ip: []string{"192.0.2.2"}}},
		"delivered 250 2.0.0", "192.0.2.1"},
	{"the next address after one that is dead",
		zone{"x.test": {mx: []string{"m1.test"}},
			"m1.test": {ip: []string{"192.0.2.99", "2001:db8::1"}}},
		"delivered 250 2.0.0", "192.0.2.99 [2001:db8::1]"},
	{"the next MX after one that is dead",
		zone{"x.test": {mx: []string{"m9.test", "m1.test"}},
			"m9.test": {ip: []string{"192.0.2.99"}}, "m1.test": {ip: []string{"192.0.2.1"}}},
		"delivered 250 2.0.0", "192.0.2.99 192.0.2.1"},
	{"the next MX after a 4xx greeting",
		zone{"x.test": {mx: []string{"m4.test", "m1.test"}},
			"m4.test": {ip: []string{"192.0.2.4"}}, "m1.test": {ip: []string{"192.0.2.1"}}},
		"delivered 250 2.0.0", "192.0.2.4 192.0.2.1"},
	{"the next MX after one without address",
		zone{"x.test": {mx: []string{"none.test", "m1.test"}},
			"m1.test": {ip: []string{"192.0.2.1"}}},
		"delivered 250 2.0.0", "192.0.2.1"},
	{"a 4xx greeting of the last MX",
		zone{"x.test": {mx: []string{"m4.test"}}, "m4.test": {ip: []string{"192.0.2.4"}}},
		"temporary 450 4.3.2", "192.0.2.4"},
	{"a 5xx greeting of the only MX",
		zone{"x.test": {mx: []string{"m5.test"}}, "m5.test": {ip: []string{"192.0.2.5"}}},
		"temporary 554 5.3.2", "192.0.2.5"},
	{"a 5xx greeting beside a dead MX",
		zone{"x.test": {mx: []string{"m5.test", "m9.test"}},
			"m5.test": {ip: []string{"192.0.2.5"}}, "m9.test": {ip: []string{"192.0.2.99"}}},
		"temporary 0 4.4.1", "192.0.2.5 192.0.2.99"},
	{"no MX means the domain itself",
		zone{"x.test": {ip: []string{"192.0.2.1"}}}, "delivered 250 2.0.0", "192.0.2.1"},
	{"a null MX",
		zone{"x.test": {mx: []string{""}, ip: []string{"192.0.2.1"}}}, "permanent 0 5.1.10", ""},
	{"no such domain",
		zone{}, "permanent 0 5.1.2", ""},
	{"the DNS fails",
		zone{"x.test": {err: servfail}}, "temporary 0 4.4.3", ""},
	{"the DNS fails for an MX",
		zone{"x.test": {mx: []string{"none.test", "m1.test"}}, "m1.test": {err: servfail}},
		"temporary 0 4.4.3", ""},
	{"an MX localhost",
		zone{"x.test": {mx: []string{"localhost"}}},
		"permanent 0 5.4.6", ""},
	{"an MX with 127/8",
		zone{"x.test": {mx: []string{"l.test"}}, "l.test": {ip: []string{"127.9.9.9"}}},
		"permanent 0 5.4.6", ""},
	{"an MX with ::1",
		zone{"x.test": {mx: []string{"l.test"}}, "l.test": {ip: []string{"::1"}}},
		"permanent 0 5.4.6", ""},
	{"a mapped loopback",
		zone{"x.test": {mx: []string{"l.test"}}, "l.test": {ip: []string{"::ffff:127.0.0.1"}}},
		"permanent 0 5.4.6", ""},
	{"unspecified in its other form",
		zone{"x.test": {mx: []string{"l.test"}}, "l.test": {ip: []string{"::ffff:0.0.0.0"}}},
		"permanent 0 5.4.6", ""},
	{"unspecified",
		zone{"x.test": {mx: []string{"l.test"}}, "l.test": {ip: []string{"0.0.0.0"}}},
		"permanent 0 5.4.6", ""},
	{"a domain on loopback, without MX",
		zone{"x.test": {ip: []string{"127.0.0.1"}}},
		"permanent 0 5.4.6", ""},
	{"an address of this machine",
		zone{"x.test": {mx: []string{"me.test"}}, "me.test": {ip: []string{"192.0.2.77"}}},
		"permanent 0 5.4.6", ""},
	{"our own name",
		zone{"x.test": {mx: []string{"Relay.Test"}}},
		"permanent 0 5.4.6", ""},
	{"our own name behind another MX",
		zone{"x.test": {mx: []string{"m1.test", "relay.test", "m9.test"}},
			"m1.test": {ip: []string{"192.0.2.1"}}}, "delivered 250 2.0.0", "192.0.2.1"},
	{"never an MX behind ourselves",
		zone{"x.test": {mx: []string{"relay.test", "m1.test"}},
			"m1.test": {ip: []string{"192.0.2.1"}}},
		"permanent 0 5.4.6", ""},
	{"never an MX behind our loopback",
		zone{"x.test": {mx: []string{"l.test", "m1.test"}},
			"l.test": {ip: []string{"127.0.0.1"}}, "m1.test": {ip: []string{"192.0.2.1"}}},
		"permanent 0 5.4.6", ""},
}

func TestAMailGoesToTheHostsOfTheMXRecords(t *testing.T) {
	for _, c := range routes {
		t.Run(c.name, func(t *testing.T) {
			good := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
			greet := func(s string) *mailtest.NextHop {
				return mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{mailtest.AtBanner: {Reply: s}}})
			}
			n := &network{hops: map[string]*mailtest.NextHop{
				"192.0.2.1": good, "192.0.2.2": good, "[2001:db8::1]": good,
				"192.0.2.4": greet("450 4.3.2 later"), "192.0.2.5": greet("554 5.3.2 no")}}
			client := newClient(t, Options{Resolver: c.zone, Dialer: n.dial})
			client.own[netip.MustParseAddr("192.0.2.77")] = true
			check(t, deliver(t, client, newMail("b@x.test")), c.want)
			if got := strings.Join(n.log, " "); got != c.call {
				t.Errorf("dialled %q, want %q", got, c.call)
			}
		})
	}
}

func TestEachDomainOfAMailIsServedByItself(t *testing.T) {
	good := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	z := zone{"dead.test": {ip: []string{"192.0.2.99"}}}
	rcpts := []string{"x@dead.test", "y@nowhere.test"}
	want := []string{"temporary 0 4.4.1", "permanent 0 5.1.2"}
	for i := range 3 * maxGroups {
		d := fmt.Sprintf("d%d.test", i)
		z[d] = record{ip: []string{"192.0.2.1"}}
		rcpts, want = append(rcpts, "a@"+d), append(want, "delivered 250 2.0.0")
	}
	n := &network{hops: map[string]*mailtest.NextHop{"192.0.2.1": good}}
	c := newClient(t, Options{Resolver: z, Dialer: n.dial})
	check(t, deliver(t, c, newMail(rcpts...)), want...)
	for _, tx := range good.Transactions() {
		if len(tx.Rcpts) != 1 {
			t.Errorf("domains share a transaction: %q", tx.Rcpts)
		}
	}
}

func TestOwnAddressesAreKnown(t *testing.T) {
	c, err := New(quiet(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if !c.own[netip.MustParseAddr("127.0.0.1")] {
		t.Errorf("own addresses: %v", c.own)
	}
}

func TestAtMostMaxDialsAddressesAreDialled(t *testing.T) {
	z := zone{"x.test": {ip: []string{}}}
	for i := range 50 {
		z["x.test"] = record{ip: append(z["x.test"].ip, fmt.Sprintf("192.0.2.%d", i+1))}
	}
	n := &network{}
	check(t, deliver(t, newClient(t, Options{Resolver: z, Dialer: n.dial}), newMail("b@x.test")), "temporary 0 4.4.1")
	if len(n.log) != maxDials {
		t.Errorf("dialled %d", len(n.log))
	}
}
