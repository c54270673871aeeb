package daemon

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/sign"
)

// Published looks up what other domains publish.
type Published struct {
	// Document fetches the key document of a domain that should name kid.
	Document func(ctx context.Context, domain, kid string) ([]byte, error)
	Records  *resolver.Resolver
}

// Lookup returns the look-ups of one verification.
func (p Published) Lookup(ctx context.Context) sign.Lookup {
	return sign.Lookup{
		Document: func(iss, kid string) ([]byte, error) {
			return p.Document(ctx, strings.TrimPrefix(iss, "https://"), kid)
		},
		TXT: func(name string) ([]string, error) {
			txt, err := p.Records.TXT(ctx, name)
			return txt, dnsError(name, err)
		},
	}
}

// dnsError puts an error of the resolver as a net.Resolver would: the DKIM
// library tells by it what may be tried again.
func dnsError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, resolver.ErrNone):
		return &net.DNSError{Err: resolver.ErrNone.Error(), Name: name, IsNotFound: true}
	}
	return &net.DNSError{Err: resolver.ErrTemporary.Error(), Name: name, IsTemporary: true}
}
