package origin

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// zone is a DNS. A key is a type and a name; "SERVFAIL" among its values is no answer,
// and "HANG" one that never comes.
type zone struct {
	mu      sync.Mutex
	records map[string][]string
	asked   []string
}

func newZone(records map[string][]string) *zone { return &zone{records: records} }

func (z *zone) ask(ctx context.Context, typ, name string) ([]string, error) {
	key := typ + " " + strings.ToLower(strings.TrimSuffix(name, "."))
	z.mu.Lock()
	z.asked = append(z.asked, key)
	values := z.records[key]
	z.mu.Unlock()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w: %w", key, resolver.ErrTemporary, ctx.Err())
	}
	for _, v := range values {
		switch v {
		case "SERVFAIL":
			return nil, fmt.Errorf("%s: %w", key, resolver.ErrTemporary)
		case "HANG":
			<-ctx.Done()
			return nil, fmt.Errorf("%s: %w: %w", key, resolver.ErrTemporary, ctx.Err())
		}
	}
	if len(values) == 0 {
		return nil, resolver.ErrNone
	}
	return values, nil
}

func (z *zone) TXT(ctx context.Context, name string) ([]string, error) {
	return z.ask(ctx, "TXT", name)
}

func (z *zone) MX(ctx context.Context, name string) (out []resolver.MX, err error) {
	values, err := z.ask(ctx, "MX", name)
	for _, v := range values {
		preference, host, _ := strings.Cut(v, " ")
		n, _ := strconv.Atoi(preference)
		out = append(out, resolver.MX{Preference: uint16(n), Host: host})
	}
	return out, err
}

func (z *zone) A(ctx context.Context, host string) ([]netip.Addr, error) {
	return addrs(z.ask(ctx, "A", host))
}

func (z *zone) AAAA(ctx context.Context, host string) ([]netip.Addr, error) {
	return addrs(z.ask(ctx, "AAAA", host))
}

func (z *zone) PTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	return z.ask(ctx, "PTR", addr.String())
}

func addrs(values []string, err error) (out []netip.Addr, _ error) {
	for _, v := range values {
		out = append(out, netip.MustParseAddr(v))
	}
	return out, err
}

const host = "mx.receiver.test"

// check judges a mail with the options of most tests.
func check(t *testing.T, z *zone, m Mail, change ...func(*Options)) (Finding, error) {
	t.Helper()
	o := Options{DNS: z, Host: host}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c.Check(t.Context(), m)
}

// from returns a mail from an address of example.org at 192.0.2.1.
func from(raw string) Mail {
	return Mail{
		Remote: netip.MustParseAddr("192.0.2.1"), Helo: "mail.example.org", From: mail.MustAddress("a@example.org"),
		Raw: crlf(raw),
	}
}

// crlf ends each line with CRLF.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"))
}
