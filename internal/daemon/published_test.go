package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/resolver"
)

func TestAnErrorOfTheDNSSaysWhetherItMayBeTriedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		err       error
		temporary bool
	}{
		"no record": {fmt.Errorf("x: %w", resolver.ErrNone), false},
		"no answer": {fmt.Errorf("x: %w", resolver.ErrTemporary), true},
		"another":   {errors.New("x"), true},
	} {
		var got *net.DNSError
		if !errors.As(dnsError("k._domainkey.x.test", tt.err), &got) || got.Temporary() != tt.temporary ||
			got.IsNotFound == tt.temporary {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if err := dnsError("x.test", nil); err != nil {
		t.Error(err)
	}
}

func TestADocumentIsAskedOfTheDomainOfTheIssuer(t *testing.T) {
	r, err := resolver.New(resolver.Options{Servers: []string{"127.0.0.1:1"}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p := Published{Records: r, Document: func(_ context.Context, domain, kid string) ([]byte, error) {
		return []byte(domain + " " + kid), nil
	}}
	if b, err := p.Lookup(t.Context()).Document("https://example.com", "k"); err != nil || string(b) != "example.com k" {
		t.Errorf("%s, %v", b, err)
	}
	// Nobody answers there: what the domain has is unknown.
	_, err = p.Lookup(t.Context()).TXT("k._domainkey.example.com")
	var got *net.DNSError
	if !errors.As(err, &got) || !got.Temporary() {
		t.Errorf("%v", err)
	}
}
