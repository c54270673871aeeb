package dkim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// Options choose the keys of every domain.
type Options struct {
	Ed25519 bool // an Ed25519 signature beside the RSA one; some relays refuse two
}

// Keyring keeps the DKIM keys of the domains: DIR/keys/DOMAIN/dkim-rsa.pem and
// dkim-ed25519.pem, readable by their owner only.
type Keyring struct {
	dir string
	o   Options

	mu     sync.Mutex
	loaded map[string]loadedKey
}

type loadedKey struct {
	key  *key
	info fs.FileInfo
}

// OpenKeys returns the keyring below the data directory dir. It reads nothing:
// a key that is missing or damaged fails where it is needed.
func OpenKeys(dir string, o Options) *Keyring {
	return &Keyring{dir: dir, o: o, loaded: map[string]loadedKey{}}
}

// Ensure makes the keys that a domain has not got. It belongs where a domain is
// configured, never where a mail is released. A file that is there but damaged
// is an error, no file is ever overwritten, and a domain that has lost its RSA
// key but not its Ed25519 one needs a person.
func (k *Keyring) Ensure(domain string) error {
	for _, selector := range k.selectors() {
		path, err := k.path(domain, selector)
		if err != nil {
			return err
		}
		if !missing(path) {
			continue
		}
		if other, _ := k.path(domain, selectorEd25519); selector == selectorRSA && !missing(other) {
			return fmt.Errorf("dkim: the RSA key of %s is gone: %s", domain, path)
		}
		if err := create(path, selector); err != nil {
			return fmt.Errorf("dkim: make key %s of %s: %w", selector, domain, err)
		}
	}
	_, err := k.load(domain)
	return err
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// create writes a file with a fresh key, unless someone else was faster.
func create(path, selector string) error {
	b, err := makeKey(selector)
	if err != nil {
		return err
	}
	if err := secret.Write(path, b); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (k *Keyring) selectors() []string {
	if k.o.Ed25519 {
		return []string{selectorRSA, selectorEd25519}
	}
	return []string{selectorRSA}
}

func (k *Keyring) path(domain, selector string) (string, error) {
	// A name that ParseDomain accepts has no slash and no empty label.
	name, err := mail.ParseDomain(domain)
	if err != nil {
		return "", fmt.Errorf("dkim: keys: %w", err)
	}
	file := "dkim-rsa.pem"
	if selector == selectorEd25519 {
		file = "dkim-ed25519.pem"
	}
	return filepath.Join(k.dir, "keys", name, file), nil
}

// load returns the keys a mail of this domain is signed with, all of them.
func (k *Keyring) load(domain string) ([]*key, error) {
	var keys []*key
	for _, selector := range k.selectors() {
		path, err := k.path(domain, selector)
		if err != nil {
			return nil, err
		}
		one, err := k.loadFile(path, selector)
		if err != nil {
			return nil, fmt.Errorf("dkim: key %s of %s: %w", selector, domain, err)
		}
		keys = append(keys, one)
	}
	return keys, nil
}

// loadFile looks at the file each time, so that one that was replaced or
// removed is noticed, but reads it only when it changed.
func (k *Keyring) loadFile(path, selector string) (*key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := k.loaded[path]; ok && secret.Same(l.info, info) {
		return l.key, nil
	}
	b, info, err := secret.Read(path)
	if err != nil {
		return nil, err
	}
	one, err := parseKey(selector, b)
	if err != nil {
		return nil, err
	}
	k.loaded[path] = loadedKey{one, info}
	return one, nil
}

// Record is a TXT record that the DNS of a domain must have.
type Record struct {
	Name string // without a final dot
	TXT  string // one text, however long
}

// Records returns what a domain must publish so that its signatures verify.
func (k *Keyring) Records(domain string) ([]Record, error) {
	keys, err := k.load(domain)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, one := range keys {
		out = append(out, Record{one.selector + "._domainkey." + strings.ToLower(domain), one.record})
	}
	return out, nil
}
