package dkim

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// Options choose the keys of every domain.
type Options struct {
	// Algorithms are those that every mail is signed with, each by a signature of
	// its own. None means RSA. Some relays refuse two, and few receivers check
	// Ed25519: alone it is a mail without a signature to most.
	Algorithms []string
	Vault      keyset.Vault // where new private keys are made; nil: in files
}

// Keyring keeps the DKIM keys of the domains: DIR/keys/DOMAIN/dkim.json says
// which there are, and beside it are files with the private halves, readable by
// their owner only.
type Keyring struct {
	dir string
	o   Options

	change sync.Mutex // held by who replaces a file

	mu     sync.Mutex
	states map[string]loadedSet     // by directory
	loaded map[string]loadedPrivate // by file
}

type loadedSet struct {
	keys []*key // never changed once loaded
	info fs.FileInfo
}

type loadedPrivate struct {
	private crypto.Signer
	p       string
	info    fs.FileInfo
}

// OpenKeys returns the keyring below the data directory dir. It reads nothing:
// a key that is missing or damaged fails where it is needed.
func OpenKeys(dir string, o Options) *Keyring {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{RSA}
	}
	return &Keyring{dir: dir, o: o, states: map[string]loadedSet{}, loaded: map[string]loadedPrivate{}}
}

func (k *Keyring) path(domain string) (string, error) {
	// A name that ParseDomain accepts has no slash and no empty label.
	name, err := mail.ParseDomain(domain)
	if err != nil {
		return "", fmt.Errorf("dkim: keys: %w", err)
	}
	return filepath.Join(k.dir, "keys", name), nil
}

// keys returns all keys of a domain. The state file is looked at each time, so
// that one that was replaced or removed is noticed, but read only when it changed.
func (k *Keyring) keys(domain string) (dir string, keys []*key, err error) {
	if dir, err = k.path(domain); err != nil {
		return "", nil, err
	}
	info, err := os.Stat(filepath.Join(dir, stateFile))
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := k.states[dir]; ok && err == nil && secret.Same(l.info, info) {
		return dir, l.keys, nil
	}
	keys, info, err = readKeys(dir)
	if err != nil {
		return dir, nil, fmt.Errorf("dkim: keys of %s: %w", domain, err)
	}
	if info != nil {
		k.states[dir] = loadedSet{keys, info}
	}
	return dir, keys, nil
}

// load returns the keys a mail of this domain is signed with, one for each
// algorithm of the options, with their private halves.
func (k *Keyring) load(domain string) ([]*key, error) {
	dir, all, err := k.keys(domain)
	if err != nil {
		return nil, err
	}
	var keys []*key
	for _, alg := range k.o.Algorithms {
		current := named(all, set(all).In(alg, keyset.Current))
		if current == nil {
			return nil, fmt.Errorf("dkim: no %s key of %s signs: %w", alg, domain, fs.ErrNotExist)
		}
		one := *current
		if one.private, err = k.signer(dir, current); err != nil {
			return nil, fmt.Errorf("dkim: key %s of %s: %w", one.Name, domain, err)
		}
		keys = append(keys, &one)
	}
	return keys, nil
}

// named returns the key that is k in the set; nil for nil.
func named(keys []*key, k *keyset.Key) *key {
	for _, one := range keys {
		if &one.Key == k {
			return one
		}
	}
	return nil
}

// signer returns what signs for a key, if it belongs to the public half.
func (k *Keyring) signer(dir string, one *key) (private crypto.Signer, err error) {
	p := ""
	switch {
	case one.file != "":
		private, p, err = k.loadFile(filepath.Join(dir, one.file))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("the private half is gone: %w", err)
		}
	case k.o.Vault == nil:
		return nil, errors.New("the private half is in a vault, and none is configured")
	default:
		if private, err = k.o.Vault.Open(one.label); err == nil {
			_, p, err = publicText(private.Public())
		}
	}
	if err == nil && p != one.p {
		err = errors.New("the two halves do not belong together")
	}
	return private, err
}

// loadFile looks at the file each time, so that one that was replaced or
// removed is noticed, but reads it only when it changed.
func (k *Keyring) loadFile(path string) (private crypto.Signer, p string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := k.loaded[path]; ok && secret.Same(l.info, info) {
		return l.private, l.p, nil
	}
	b, info, err := secret.Read(path)
	if err != nil {
		return nil, "", err
	}
	if private, _, p, err = parsePEM(b); err != nil {
		return nil, "", err
	}
	k.loaded[path] = loadedPrivate{private, p, info}
	return private, p, nil
}

// Record is a TXT record that the DNS of a domain must have.
type Record struct {
	Name  string // without a final dot
	TXT   string // one text, however long
	State keyset.State
}

// Records returns what a domain must publish so that its signatures verify: the
// keys that sign, those that will, and for three months those that did. It fails
// when a key that signs cannot be used.
func (k *Keyring) Records(domain string) ([]Record, error) {
	if _, err := k.load(domain); err != nil && !k.waiting(domain) {
		return nil, err
	}
	_, keys, err := k.keys(domain)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, one := range keys {
		out = append(out, Record{Name: recordName(one.Name, domain), TXT: one.record(), State: one.State()})
	}
	return out, nil
}

// waiting reports whether an algorithm has no current key because it was
// revoked: the record of the next one must be published before it signs.
func (k *Keyring) waiting(domain string) bool {
	_, keys, err := k.keys(domain)
	for _, alg := range k.o.Algorithms {
		if s := set(keys); err == nil && s.In(alg, keyset.Current) == nil && s.In(alg, keyset.Next) != nil {
			return true
		}
	}
	return false
}

// Record returns the record of one key.
func (k *Keyring) Record(domain, selector string) (name, txt string, err error) {
	_, keys, err := k.keys(domain)
	if err != nil {
		return "", "", err
	}
	one := named(keys, set(keys).Named(selector))
	if one == nil {
		return "", "", keyset.ErrNoKey
	}
	return recordName(selector, domain), one.record(), nil
}

func recordName(selector, domain string) string {
	return selector + "._domainkey." + strings.ToLower(domain)
}
