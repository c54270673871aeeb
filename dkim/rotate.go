package dkim

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// KeepRecords is how long the record of a key stays published after its last
// signature: longer than any mail is under way, and than receivers that check
// when a mail is read rather than when it comes in.
const KeepRecords = 90 * 24 * time.Hour

// Ensure makes the keys that a domain has not got; they sign at once. It belongs
// where a domain is configured, never where a mail is released. A file that is
// there but damaged is an error, no file is ever overwritten, and a domain that
// has lost a key that it had needs a person.
func (k *Keyring) Ensure(domain string, now time.Time) error {
	dir, err := k.path(domain)
	if err != nil {
		return err
	}
	k.change.Lock()
	defer k.change.Unlock()
	keys, info, err := readKeys(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("dkim: keys of %s: %w", domain, err)
	}
	n := len(keys)
	for _, alg := range k.o.Algorithms {
		s := set(keys)
		if s.In(alg, keyset.Current) != nil || s.In(alg, keyset.Revoked) != nil {
			continue
		}
		if alg == RSA && info == nil && n > 0 { // before there were states every domain had one
			return fmt.Errorf("dkim: the RSA key of %s is gone: %s", domain, filepath.Join(dir, firstFile[RSA]))
		}
		one, err := k.make(dir, nextSelector(keys, alg), alg, now)
		if err != nil {
			return fmt.Errorf("dkim: make key of %s: %w", domain, err)
		}
		one.Activated = one.Created
		keys = append(keys, one)
	}
	if len(keys) > n {
		if err := k.write(dir, keys, info == nil); err != nil {
			return fmt.Errorf("dkim: make keys of %s: %w", domain, err)
		}
	}
	if _, err = k.load(domain); err != nil && k.waiting(domain) {
		return nil
	}
	return err
}

// make makes a key that is next. Of a file that somebody else has just made, or
// that was left by a crash, it is the key.
func (k *Keyring) make(dir, selector, alg string, now time.Time) (*key, error) {
	at := now.UTC().Truncate(time.Second)
	one := &key{Key: keyset.Key{Name: selector, Alg: alg, Life: keyset.Life{Created: at}}}
	if k.o.Vault != nil {
		suffix := make([]byte, 6)
		if _, err := rand.Read(suffix); err != nil {
			return nil, err
		}
		one.label = "multimail dkim " + filepath.Base(dir) + " " + selector + " " + hex.EncodeToString(suffix)
		signer, err := k.o.Vault.Make(alg, one.label)
		if err != nil {
			return nil, err
		}
		is := ""
		if is, one.p, err = publicText(signer.Public()); err == nil && is != alg {
			err = errors.New("the vault made a key of another kind")
		}
		return one, err
	}
	b, err := makeKey(alg)
	if err != nil {
		return nil, err
	}
	return one, k.store(dir, one, b)
}

// store writes the private half of a key to a file of its own.
func (k *Keyring) store(dir string, one *key, b []byte) error {
	if one.file = "dkim-" + one.Name + ".pem"; one.Name == "mm1"+selectorSuffix[one.Alg] {
		one.file = firstFile[one.Alg]
	}
	path := filepath.Join(dir, one.file)
	if err := secret.Write(path, b); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	b, _, err := secret.Read(path)
	if err != nil {
		return err
	}
	_, alg, p, err := parsePEM(b)
	if err == nil && (alg != one.Alg || one.p != "" && one.p != p) {
		err = fmt.Errorf("%s: another key", one.file)
	}
	one.p = p
	return err
}

// write puts the state file there. A first one is never put over another.
func (k *Keyring) write(dir string, keys []*key, first bool) error {
	b, err := formatKeys(keys)
	if err == nil {
		_, err = parseKeys(b)
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, stateFile)
	if first {
		if err = secret.Write(path, b); errors.Is(err, fs.ErrExist) {
			return nil // somebody else was faster, with the same files
		}
		return err
	}
	return secret.Replace(path, b)
}

// Keys lists the keys of a domain: next, current, retired, revoked.
func (k *Keyring) Keys(domain string) ([]keyset.Info, error) {
	_, keys, err := k.keys(domain)
	out := make([]keyset.Info, 0, len(keys))
	for _, one := range keys {
		out = append(out, keyset.Info{Key: one.Key, Vault: one.label != ""})
	}
	return out, err
}

// Prepare makes the next key of each algorithm that has none. Its record must
// be published, and seen, before it may sign.
func (k *Keyring) Prepare(domain string, now time.Time) error {
	return k.update(domain, func(dir string, keys []*key) ([]*key, error) { return k.prepare(dir, keys, now) })
}

func (k *Keyring) prepare(dir string, keys []*key, now time.Time) ([]*key, error) {
	for _, alg := range k.o.Algorithms {
		if set(keys).In(alg, keyset.Next) != nil {
			continue
		}
		one, err := k.make(dir, nextSelector(keys, alg), alg, now)
		if err != nil {
			return nil, err
		}
		keys = append(keys, one)
	}
	return keys, nil
}

// Seen records that the record of a next key was found in the DNS.
func (k *Keyring) Seen(domain, selector string, now time.Time) error {
	return k.update(domain, func(_ string, keys []*key) ([]*key, error) { return keys, set(keys).Seen(selector, now) })
}

// Switch makes the next key of that selector sign from now on and retires the
// one before, whose private half is removed. Whoever calls it has seen the record.
func (k *Keyring) Switch(domain, selector string, now time.Time) error {
	return k.update(domain, func(_ string, keys []*key) ([]*key, error) { return keys, set(keys).Switch(selector, now) })
}

// Revoke revokes a key. If it is one that signs, no mail of the domain leaves
// until the record of the next key, which is made if there is none, was seen.
func (k *Keyring) Revoke(domain, selector string, reason keyset.Reason, now time.Time) error {
	return k.update(domain, func(dir string, keys []*key) ([]*key, error) {
		if err := set(keys).Revoke(selector, reason, now); err != nil {
			return nil, err
		}
		one := set(keys).Named(selector)
		if set(keys).In(one.Alg, keyset.Current) != nil || !slices.Contains(k.o.Algorithms, one.Alg) {
			return keys, nil
		}
		return k.prepare(dir, keys, now)
	})
}

// Import makes a private key that somebody brought along, PKCS #8 in DER, the
// next one of its algorithm, under this selector or, without one, the next
// number. It is stored in a file, also beside a vault.
func (k *Keyring) Import(domain, selector string, der []byte, now time.Time) error {
	_, alg, p, err := parseDER(der)
	if err != nil {
		return mail.ErrInvalid.Errorf("not an RSA key of %d bits or more, nor an Ed25519 key, as PKCS #8", rsaBits)
	}
	return k.update(domain, func(dir string, keys []*key) ([]*key, error) {
		if selector == "" {
			selector = nextSelector(keys, alg)
		}
		if err := checkSelector(selector); err != nil {
			return nil, err
		}
		if set(keys).In(alg, keyset.Next) != nil {
			return nil, keyset.ErrHasNext
		}
		if slices.ContainsFunc(keys, func(k *key) bool { return k.p == p || k.Name == selector }) {
			return nil, keyset.ErrKnown
		}
		life := keyset.Life{Created: now.UTC().Truncate(time.Second)}
		one := &key{p: p, Key: keyset.Key{Name: selector, Alg: alg, Life: life}}
		if err := k.store(dir, one, pemOf(der)); err != nil {
			return nil, err
		}
		return append(keys, one), nil
	})
}

// Drop forgets the keys whose records need not be published any more.
func (k *Keyring) Drop(domain string, now time.Time) error {
	old := func(one *key) bool { return one.EndedBefore(now.Add(-KeepRecords)) }
	_, keys, err := k.keys(domain)
	if err != nil || !slices.ContainsFunc(keys, old) {
		return err
	}
	return k.update(domain, func(_ string, keys []*key) ([]*key, error) { return slices.DeleteFunc(keys, old), nil })
}

// update replaces the state file of a domain by what change makes of its keys,
// whole or not at all. New private halves are on the disk before, and those that
// sign no more are removed after.
func (k *Keyring) update(domain string, change func(dir string, keys []*key) ([]*key, error)) error {
	dir, err := k.path(domain)
	if err != nil {
		return err
	}
	k.change.Lock()
	defer k.change.Unlock()
	keys, info, err := readKeys(dir)
	if err == nil {
		err = removeOthers(dir, keys) // what a crash left
	}
	if err == nil {
		keys, err = change(dir, keys)
	}
	if err != nil {
		return fmt.Errorf("dkim: keys of %s: %w", domain, err)
	}
	for _, one := range keys {
		if s := one.State(); s == keyset.Retired || s == keyset.Revoked {
			one.file = ""
		}
	}
	if err := k.write(dir, keys, info == nil); err != nil {
		return fmt.Errorf("dkim: keys of %s: %w", domain, err)
	}
	return removeOthers(dir, keys)
}

// removeOthers removes the files of private keys that no key names.
func removeOthers(dir string, keys []*key) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := f.Name()
		if strings.HasPrefix(name, "dkim-") && strings.HasSuffix(name, ".pem") &&
			!slices.ContainsFunc(keys, func(k *key) bool { return k.file == name }) {
			if err := secret.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
