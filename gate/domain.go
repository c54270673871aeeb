package gate

import (
	"context"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// NoteCheck keeps what the DNS said of a domain. Mail that waited for the domain
// to be verified is due at once.
func (g *Gate) NoteCheck(ctx context.Context, domain string, c registry.DomainCheck) error {
	err := g.update(ctx, func(tx store.Tx) error { return g.reg.NoteCheck(tx, domain, c) })
	g.nodes.NotePolicy()
	return err
}

// PinDomain lets a domain send without being verified.
func (g *Gate) PinDomain(ctx context.Context, p registry.Principal, name string) (d registry.Domain, err error) {
	err = g.set(ctx, p, "domain.pin", func(tx store.Tx, p registry.Principal) (err error) {
		d, err = g.reg.PinDomain(tx, p, name)
		return err
	})
	return d, err
}

// UnpinDomain ends what PinDomain did. Unless the domain is verified, nothing of
// it can send a final dot any more when it returns.
func (g *Gate) UnpinDomain(ctx context.Context, p registry.Principal, name string) (d registry.Domain, err error) {
	if name, err = mail.ParseDomain(name); err != nil {
		return d, err
	}
	scope := covers(registry.FreezeScope{Kind: registry.FreezeDomain, Name: name})
	_, err = g.tighten(ctx, p, "domain.unpin", scope, func(tx store.Tx, p registry.Principal) (err error) {
		d, err = g.reg.UnpinDomain(tx, p, name)
		return err
	})
	return d, err
}

// RemoveDomain removes a domain that no mailbox uses.
func (g *Gate) RemoveDomain(ctx context.Context, p registry.Principal, name string) error {
	return g.set(ctx, p, "domain.rm", func(tx store.Tx, p registry.Principal) error {
		return g.reg.RemoveDomain(tx, p, name)
	})
}
