package relay

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

func TestAProbeSaysHelloAndSendsNoMail(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	host, secure, err := to(t, hop, Options{TLS: None}).Probe(t.Context())
	if err != nil || host != hop.Addr() || secure {
		t.Errorf("%q, %v, %v", host, secure, err)
	}
	if n := len(hop.Transactions()); n != 0 {
		t.Errorf("%d transactions", n)
	}
	lines := hop.Lines()
	hello := slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "EHLO ") })
	if !hello || slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "MAIL") }) {
		t.Errorf("it said %q", lines)
	}
}

func TestAProbeSaysWhyAHostCannotBeUsed(t *testing.T) {
	refused := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
	c := newClient(t, Options{Smarthost: "192.0.2.1:25", Dialer: refused})
	if host, _, err := c.Probe(t.Context()); err == nil || host != "192.0.2.1:25" {
		t.Errorf("%q, %v", host, err)
	}
	if host, _, err := newClient(t, Options{Dialer: refused}).Probe(t.Context()); err != nil || host != "" {
		t.Errorf("by MX: %q, %v", host, err)
	}
}
