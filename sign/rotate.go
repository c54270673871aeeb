package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// keepRetired is how long the document names a key that signs no more: mail is
// read years later.
const keepRetired = 10 * 365 * 24 * time.Hour

// UseVault has every new key made in v, and opens there those that are in it.
// It belongs before the first use of the keyring.
func (k *Keyring) UseVault(v keyset.Vault) { k.vault = v }

// Keys lists the keys of a domain: next, current, retired, revoked.
func (k *Keyring) Keys(domain string) ([]keyset.Info, error) {
	d, err := k.load(domain)
	if err != nil {
		return nil, err
	}
	out := make([]keyset.Info, 0, len(d.keys))
	for _, one := range d.keys {
		out = append(out, keyset.Info{Key: one.Key, Vault: one.label != ""})
	}
	return out, nil
}

// Prepare makes the next key of a domain, which the document names from now on,
// unless it has one.
func (k *Keyring) Prepare(domain string, now time.Time) error {
	return k.update(domain, func(d *domainKeys) error {
		_, err := k.next(d, domain, now)
		return err
	})
}

// next returns the next key, which it makes if there is none.
func (k *Keyring) next(d *domainKeys, domain string, now time.Time) (kid string, err error) {
	if next := d.set().In(algorithm, keyset.Next); next != nil {
		return next.Name, nil
	}
	next, err := newKey(k.vault, domain, now)
	if err != nil {
		return "", err
	}
	d.keys = append(d.keys, next)
	return next.Name, nil
}

// Switch makes the next key of that name sign from now on and retires the one
// before, whose private half is destroyed.
func (k *Keyring) Switch(domain, kid string, now time.Time) error {
	return k.update(domain, func(d *domainKeys) error { return d.set().Switch(kid, now) })
}

// Revoke revokes a key. If it is the one that signs, the next one takes its
// place in the same step, and is made if there is none: verifiers that have the
// document from before refuse its mail until they fetch it again.
func (k *Keyring) Revoke(domain, kid string, reason keyset.Reason, now time.Time) error {
	return k.update(domain, func(d *domainKeys) error {
		if err := d.set().Revoke(kid, reason, now); err != nil {
			return err
		}
		if d.current() != nil {
			return nil
		}
		next, err := k.next(d, domain, now)
		if err != nil {
			return err
		}
		return d.set().Switch(next, now)
	})
}

// Import makes a private key that somebody brought along the next one. It is a
// P-256 key as PKCS #8 in DER; a domain that has a next key already is refused.
func (k *Keyring) Import(domain string, der []byte, now time.Time) error {
	private, err := x509.ParsePKCS8PrivateKey(der)
	p, ok := private.(*ecdsa.PrivateKey)
	if err != nil || !ok || p.Curve != elliptic.P256() {
		return mail.ErrInvalid.Errorf("not a P-256 private key as PKCS #8")
	}
	return k.update(domain, func(d *domainKeys) error {
		if d.set().In(algorithm, keyset.Next) != nil {
			return keyset.ErrHasNext
		}
		one, err := keyFrom(p, now)
		if err != nil {
			return err
		}
		if d.set().Named(one.Name) != nil {
			return keyset.ErrKnown
		}
		d.keys = append(d.keys, one)
		return nil
	})
}

// Drop forgets the keys that signed no more ten years ago.
func (k *Keyring) Drop(domain string, now time.Time) error {
	old := func(one *key) bool { return one.EndedBefore(now.Add(-keepRetired)) }
	d, err := k.load(domain)
	if err != nil || !slices.ContainsFunc(d.keys, old) {
		return err
	}
	return k.update(domain, func(d *domainKeys) error {
		d.keys = slices.DeleteFunc(d.keys, old)
		return nil
	})
}

// update replaces the file of a domain by what change makes of it, whole or not
// at all. Nothing is written when change fails, or would leave no key that signs.
func (k *Keyring) update(domain string, change func(d *domainKeys) error) error {
	path, err := k.path(domain)
	if err != nil {
		return err
	}
	k.change.Lock()
	defer k.change.Unlock()
	d, err := k.load(domain)
	if err != nil {
		return err
	}
	next := &domainKeys{refKey: d.refKey, keys: slices.Clone(d.keys)}
	for i, one := range next.keys { // nobody else has these copies
		c := *one
		next.keys[i] = &c
	}
	if err := change(next); err != nil {
		return err
	}
	for _, one := range next.keys {
		if s := one.State(); s == keyset.Retired || s == keyset.Revoked {
			one.private = nil
		}
	}
	b, err := formatKeys(next)
	if err == nil {
		_, err = parseKeys(b)
	}
	if err != nil {
		return fmt.Errorf("sign: identity key of %s: %w", domain, err)
	}
	return secret.Replace(path, b)
}

// Sweep removes from the directory of a domain, where its DKIM keys are too, what
// a process that ended left of files. It belongs at the start.
func (k *Keyring) Sweep(domain string) error {
	path, err := k.path(domain)
	if err != nil {
		return err
	}
	return secret.Sweep(filepath.Dir(path))
}

// Ready reports whether the key that signs can be used: one in a vault needs it.
func (k *Keyring) Ready(domain string) error {
	d, err := k.load(domain)
	if err == nil {
		_, err = k.signer(d.current())
	}
	if err != nil {
		return fmt.Errorf("sign: identity key of %s: %w", domain, err)
	}
	return nil
}

// signer returns what signs for a key.
func (k *Keyring) signer(one *key) (crypto.Signer, error) {
	switch {
	case one.private != nil:
		return one.private, nil
	case one.label == "":
		return nil, errors.New("the private half is gone")
	case k.vault == nil:
		return nil, errors.New("the private half is in a vault, and none is configured")
	}
	s, err := k.vault.Open(one.label)
	if err != nil {
		return nil, err
	}
	if !one.public.Equal(s.Public()) {
		return nil, errors.New("the vault has another key under this label")
	}
	return s, nil
}
