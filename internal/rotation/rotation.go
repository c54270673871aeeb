// Package rotation changes the states of signing keys: when asked to, and by the
// clock.
//
// The files of a keyring are what signs. A change is made there first, by one
// atomic replacement, and then recorded: [Keeper] compares the files with what
// the store knows of them and writes an entry of the audit log for each
// difference, in the transaction that makes the store know it. So a change is
// recorded also when the process ended between the two, and one that somebody
// made by hand is seen.
//
//	k, err := rotation.New(rotation.Options{…})
//	err = k.Note(ctx)      // before anything is signed
//	go k.Run(ctx)          // switches by the clock
package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Purpose is what the keys of a ring are for.
type Purpose string

// The purposes.
const (
	Identity Purpose = "identity"
	DKIM     Purpose = "dkim"
)

// Ring is the keys of one purpose, as the packages sign and dkim keep them.
type Ring interface {
	Keys(domain string) ([]keyset.Info, error)
	Prepare(domain string, now time.Time) error
	Switch(domain, name string, now time.Time) error
	Revoke(domain, name string, reason keyset.Reason, now time.Time) error
	Drop(domain string, now time.Time) error
}

// IdentityRing is the ring of identity keys, which the daemon publishes itself.
type IdentityRing interface {
	Ring
	Import(domain string, pkcs8 []byte, now time.Time) error
}

// DKIMRing is the ring of DKIM keys, which people publish in the DNS.
type DKIMRing interface {
	Ring
	Import(domain, selector string, pkcs8 []byte, now time.Time) error
	Seen(domain, selector string, now time.Time) error
	Record(domain, selector string) (name, txt string, err error)
}

// Options are what a keeper works with. Everything up to Trusted is required.
type Options struct {
	Store    store.Store
	Audit    *audit.Log
	Registry *registry.Registry
	Identity IdentityRing
	DKIM     DKIMRing
	Now      func() time.Time
	Trusted  func() bool // whether Now may be believed; nothing switches by a clock in doubt

	// Published reports whether the DNS has a TXT record, and only that one, at a
	// name. Nil means that the DNS cannot be asked: no DKIM key is switched to.
	Published func(ctx context.Context, name, txt string) (bool, error)
	// Every is how old a key becomes before the next one replaces it; 0: never by itself.
	Every time.Duration

	Log *slog.Logger // nil means slog.Default
}

// Keeper changes the states of the keys of every domain.
type Keeper struct {
	o  Options
	mu sync.Mutex // one change at a time: of files, and of what the store knows
}

// New checks the options.
func New(o Options) (*Keeper, error) {
	if o.Store == nil || o.Audit == nil || o.Registry == nil || o.Identity == nil || o.DKIM == nil ||
		o.Now == nil || o.Trusted == nil {
		return nil, errors.New("rotation: store, audit log, registry, keyrings and clock are required")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Keeper{o: o}, nil
}

// ring returns the keys of a purpose.
func (k *Keeper) ring(p Purpose) (Ring, error) {
	switch p {
	case Identity:
		return k.o.Identity, nil
	case DKIM:
		return k.o.DKIM, nil
	}
	return nil, mail.ErrInvalid.Errorf("the purpose is identity or dkim")
}

// purposes returns one purpose, or both for "".
func purposes(p Purpose) []Purpose {
	if p == "" {
		return []Purpose{Identity, DKIM}
	}
	return []Purpose{p}
}

// Key is one key of a domain.
type Key struct {
	Purpose Purpose
	keyset.Info
	Wait string // why a next key does not sign yet, for people; "" for any other
}

// Keys lists the keys of a domain: identity, then DKIM, each as next, current,
// retired, revoked.
func (k *Keeper) Keys(ctx context.Context, domain string) (all []Key, err error) {
	name, err := k.domain(ctx, domain)
	if err != nil {
		return nil, err
	}
	for _, p := range purposes("") {
		ring, err := k.ring(p)
		if err != nil {
			return nil, err
		}
		infos, err := ring.Keys(name)
		if err != nil {
			return nil, err
		}
		for _, i := range infos {
			all = append(all, Key{p, i, k.wait(p, i)})
		}
	}
	return all, nil
}

// wait says why a key does not sign yet.
func (k *Keeper) wait(p Purpose, i keyset.Info) string {
	switch {
	case i.State() != keyset.Next:
		return ""
	case i.Published.IsZero() && k.o.Published == nil:
		return "the DNS cannot be asked for its record"
	case i.Published.IsZero():
		return "its record was not found in the DNS yet"
	case p == Identity || !i.Due(k.o.Now()):
		return "signs from " + i.Published.Add(keyset.Wait).UTC().Format(time.RFC3339)
	}
	return "its record is not in the DNS any more"
}

// domain returns the name of one of our domains as the registry has it.
func (k *Keeper) domain(ctx context.Context, domain string) (name string, err error) {
	err = k.o.Store.View(ctx, func(tx store.Tx) error {
		d, err := k.o.Registry.Domain(tx, domain)
		name = d.Name
		return err
	})
	return name, err
}

// Rotate makes the next key of a purpose, or of both for "". It is published
// from now on, and signs when it was for long enough: [Keeper.Run] sees to it.
func (k *Keeper) Rotate(ctx context.Context, who registry.Principal, domain string, p Purpose) error {
	return k.change(ctx, who, domain, func(name string) error {
		for _, p := range purposes(p) {
			ring, err := k.ring(p)
			if err != nil {
				return err
			}
			if err := ring.Prepare(name, k.o.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replace revokes the keys that sign as compromised, and with them those that are
// next: whoever has a private half may have what lies beside it. A new identity key
// signs at once, also for verifiers that do not know it yet. A new DKIM key does as
// soon as its record was seen; no mail of the domain leaves before.
func (k *Keeper) Replace(ctx context.Context, who registry.Principal, domain string, p Purpose) error {
	return k.change(ctx, who, domain, func(name string) error {
		for _, p := range purposes(p) {
			ring, err := k.ring(p)
			if err != nil {
				return err
			}
			infos, err := ring.Keys(name)
			if err != nil {
				return err
			}
			for _, i := range infos { // next ones first: none may take the place of a current one
				if s := i.State(); s != keyset.Next && s != keyset.Current {
					continue
				}
				if err := ring.Revoke(name, i.Name, keyset.Compromised, k.o.Now()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Revoke revokes one key, by its name: a kid or a selector.
func (k *Keeper) Revoke(ctx context.Context, who registry.Principal, domain, key, reason string) error {
	r := keyset.Reason(reason)
	if !slices.Contains(keyset.Reasons, r) {
		return mail.ErrInvalid.Errorf("the reason is compromised, superseded or ceased")
	}
	return k.change(ctx, who, domain, func(name string) error {
		for _, p := range purposes("") {
			ring, err := k.ring(p)
			if err != nil {
				return err
			}
			if err := ring.Revoke(name, key, r, k.o.Now()); !errors.Is(err, keyset.ErrNoKey) {
				return err
			}
		}
		return keyset.ErrNoKey
	})
}

// Import makes a private key that somebody brought along the next one. selector
// is for DKIM alone, "" for the next number.
func (k *Keeper) Import(ctx context.Context, who registry.Principal, domain string, p Purpose, selector string,
	pkcs8 []byte) error {
	return k.change(ctx, who, domain, func(name string) error {
		switch {
		case p == DKIM:
			return k.o.DKIM.Import(name, selector, pkcs8, k.o.Now())
		case p == Identity && selector != "":
			return mail.ErrInvalid.Errorf("only a DKIM key has a selector")
		case p == Identity:
			return k.o.Identity.Import(name, pkcs8, k.o.Now())
		}
		return mail.ErrInvalid.Errorf("the purpose is identity or dkim")
	})
}

// change carries out one change of the files for somebody who may make it, and
// records what became of it, also when it failed in the middle.
func (k *Keeper) change(ctx context.Context, who registry.Principal, domain string, fn func(name string) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := ""
	err := k.o.Store.View(ctx, func(tx store.Tx) error {
		now, err := k.o.Registry.Current(tx, who)
		if err == nil && !now.Has(registry.ScopeAdmin) {
			err = registry.ErrForbidden
		}
		if err != nil {
			return err
		}
		d, err := k.o.Registry.Domain(tx, domain)
		name = d.Name
		return err
	})
	if err != nil {
		return err
	}
	err = fn(name)
	if noted := k.note(ctx, name, &who); noted != nil {
		return errors.Join(err, fmt.Errorf("rotation: the change is made and not recorded yet: %w", noted))
	}
	return errors.Join(err, k.advance(ctx, name))
}
