package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// every is how often the clock and the DNS are looked at.
const every = 10 * time.Minute

// Run advances the keys of every domain until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := k.Advance(ctx); err != nil && ctx.Err() == nil {
			k.o.Log.Error("signing keys", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Advance does what is due now: it makes the next key of one that has become
// old, switches to a next key that was published for long enough, and forgets
// keys that need not be published any more. A domain that fails does not keep
// the others from it.
func (k *Keeper) Advance(ctx context.Context) error {
	return k.each(ctx, func(domain string) error { return k.advance(ctx, domain) })
}

// Note records what the files say and the store does not know, of every domain.
func (k *Keeper) Note(ctx context.Context) error {
	return k.each(ctx, func(domain string) error { return k.note(ctx, domain, nil) })
}

func (k *Keeper) each(ctx context.Context, fn func(domain string) error) error {
	var domains []registry.Domain
	err := k.o.Store.View(ctx, func(tx store.Tx) (err error) {
		domains, err = k.o.Registry.Domains(tx)
		return err
	})
	for _, d := range domains {
		k.mu.Lock()
		if one := fn(d.Name); one != nil {
			err = errors.Join(err, fmt.Errorf("rotation: %s: %w", d.Name, one))
		}
		k.mu.Unlock()
	}
	return err
}

// advance needs mu.
func (k *Keeper) advance(ctx context.Context, domain string) error {
	if !k.o.Trusted() {
		return nil
	}
	var err error
	for _, p := range purposes("") {
		err = errors.Join(err, k.advanceRing(ctx, p, domain))
	}
	return errors.Join(err, k.note(ctx, domain, nil))
}

func (k *Keeper) advanceRing(ctx context.Context, p Purpose, domain string) error {
	ring, err := k.ring(p)
	if err != nil {
		return err
	}
	infos, err := ring.Keys(domain)
	if err != nil {
		return err
	}
	now := k.o.Now()
	for _, i := range infos {
		if k.o.Every > 0 && i.State() == keyset.Current && !now.Before(i.Activated.Add(k.o.Every-keyset.Wait)) {
			err = errors.Join(err, ring.Prepare(domain, now)) // nothing where there is a next key
		}
	}
	for _, i := range infos {
		if i.State() == keyset.Next {
			err = errors.Join(err, k.advanceKey(ctx, p, ring, domain, i, signs(infos, i.Alg)))
		}
	}
	return errors.Join(err, ring.Drop(domain, now))
}

// signs reports whether a key of an algorithm signs.
func signs(infos []keyset.Info, alg string) bool {
	for _, i := range infos {
		if i.Alg == alg && i.State() == keyset.Current {
			return true
		}
	}
	return false
}

// advanceKey looks whether a next key is published, and switches to it when it
// was for long enough. Where no key signs because the one before was revoked,
// nobody can have kept an old answer that matters, and it signs when it is seen.
func (k *Keeper) advanceKey(ctx context.Context, p Purpose, ring Ring, domain string, i keyset.Info, signs bool) error {
	now := k.o.Now()
	if p == DKIM {
		seen, err := k.published(ctx, domain, i.Name)
		if err != nil || !seen {
			return err
		}
		if i.Published.IsZero() {
			if err := k.o.DKIM.Seen(domain, i.Name, now); err != nil {
				return err
			}
			i.Published = now
		}
	}
	if signs && !i.Due(now) {
		return nil
	}
	return ring.Switch(domain, i.Name, now)
}

// published reports whether the record of a DKIM key is in the DNS. Without an
// answer it is not: the key before goes on signing.
func (k *Keeper) published(ctx context.Context, domain, selector string) (bool, error) {
	if k.o.Published == nil {
		return false, nil
	}
	name, txt, err := k.o.DKIM.Record(domain, selector)
	if err != nil {
		return false, err
	}
	seen, err := k.o.Published(ctx, name, txt)
	if err != nil {
		k.o.Log.Info("signing key not seen", "domain", domain, "key", selector, "err", err)
	}
	return seen && err == nil, nil
}
