package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/multimail/multimail/gate/step"
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

// domainFacts says whether the domain of an outgoing mail keeps it back, and for
// how long it has. Without the record of the domain it does (invariant 7).
func (g *Gate) domainFacts(tx store.Tx, m *mail.Mail, box registry.Mailbox, f *step.Facts) error {
	if m.Direction == mail.Incoming {
		return nil
	}
	d, here, err := g.domain(tx, m.Mailbox.Domain())
	if err != nil {
		return fmt.Errorf("gate: domain of %s: %w", m.ID, err)
	}
	now := tx.Now()
	if f.Unverified = !d.MaySend(now); f.Unverified && here {
		end := waitsSince(d, m).Add(cmp.Or(m.HoldFor, g.reg.Hold(box)))
		f.Overdue = g.o.Trusted() && !now.Before(end)
	}
	return nil
}

// domain returns the record of a domain. One that is not here is the zero Domain, which
// may not send.
func (g *Gate) domain(tx store.Tx, name string) (d registry.Domain, here bool, err error) {
	d, err = g.reg.Domain(tx, name)
	if errors.Is(err, registry.ErrNotFound) {
		return registry.Domain{}, false, nil
	}
	return d, err == nil, err
}

// waitsSince returns since when a mail has waited for its domain and for nothing
// else.
func waitsSince(d registry.Domain, m *mail.Mail) time.Time {
	at := d.StoppedSince()
	since := []time.Time{m.SubmittedAt, m.NotBefore}
	if n := len(m.Decisions); n > 0 {
		since = append(since, m.Decisions[n-1].At)
	}
	for _, t := range since {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// domainEnds returns until when a release by this domain counts; zero where it does
// not end by time.
func (g *Gate) domainEnds(tx store.Tx, name string) (end time.Time, err error) {
	d, err := g.reg.Domain(tx, name)
	if err == nil && !d.Internal {
		end = d.VerifiedUntil()
	}
	return end, err
}

// Stopped reports whether nothing of this agent in this mailbox may be claimed now:
// by a freeze, or because the domain is not verified.
func (g *Gate) Stopped(tx store.Tx, agent string, mailbox mail.Address) (bool, error) {
	frozen, err := g.reg.Frozen(tx, agent, mailbox)
	if err != nil || frozen {
		return true, err
	}
	d, _, err := g.domain(tx, mailbox.Domain())
	return err != nil || !d.MaySend(tx.Now()), err
}

// waiting is how many ready mails one transaction looks at for those that have
// waited for their domain for too long.
const waiting = 500

// holdWaiting holds ready mail again that has waited for its domain for longer
// than a hold. Without a domain that keeps mail back nothing is read.
func (g *Gate) holdWaiting(ctx context.Context) error {
	stopped := false
	err := g.db.View(ctx, func(tx store.Tx) error {
		all, err := g.reg.Domains(tx)
		stopped = slices.ContainsFunc(all, func(d registry.Domain) bool { return !d.MaySend(tx.Now()) })
		return err
	})
	if err != nil || !stopped {
		return err
	}
	for after := mail.ID(""); ; {
		var ids []mail.ID
		var n int
		err := g.db.View(ctx, func(tx store.Tx) error {
			ids = nil
			list, err := g.q.InState(tx, mail.Outgoing, mail.Ready, after, waiting)
			n = len(list)
			for _, l := range list {
				after = l.ID
				if l.Mail == nil {
					continue // reported where it is looked for
				}
				if f, err := g.Facts(tx, l.Mail); err == nil && f.Unverified && f.Overdue {
					ids = append(ids, l.ID)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			switch err := g.update(ctx, func(tx store.Tx) error { return g.expire(tx, id) }); {
			case err == nil:
				g.o.Log.Warn("held for its domain", "mail", id)
			case !errors.Is(err, mail.ErrStale):
				g.o.Log.Error("expire", "mail", id, "err", err)
			}
		}
		if n < waiting {
			return nil
		}
	}
}
