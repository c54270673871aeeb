package sign

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// Keyring keeps the identity keys of the domains, one file each.
type Keyring struct {
	dir   string
	vault keyset.Vault // nil: private halves are in the files

	change sync.Mutex // held by who replaces a file

	mu     sync.Mutex
	loaded map[string]*domainKeys
}

// OpenKeys returns the keyring below the data directory dir. It reads nothing:
// a key that is missing or damaged fails where it is needed.
func OpenKeys(dir string) *Keyring {
	return &Keyring{dir: dir, loaded: map[string]*domainKeys{}}
}

// domainKeys is what one file holds. It never changes once it is loaded.
type domainKeys struct {
	info   fs.FileInfo
	keys   []*key // next, current, retired, revoked; of one state the youngest first
	refKey []byte // hides agent references; survives every change of key
}

// current returns the key that signs; parseKeys has made sure that there is one.
func (d *domainKeys) current() *key {
	return d.named(d.set().In(algorithm, keyset.Current))
}

// set returns the keys as their states see them.
func (d *domainKeys) set() (s keyset.Set) {
	for _, k := range d.keys {
		s = append(s, &k.Key)
	}
	return s
}

// named returns the key that is k in the set; nil for nil.
func (d *domainKeys) named(k *keyset.Key) *key {
	for _, one := range d.keys {
		if &one.Key == k {
			return one
		}
	}
	return nil
}

// Ensure makes the key of a domain if it has none. It belongs where a domain is
// configured, never where a mail is released: a domain that is in use and has
// lost its key needs a person. A file that is there but damaged is an error,
// and no file is ever overwritten.
func (k *Keyring) Ensure(domain string, now time.Time) error {
	path, err := k.path(domain)
	if err != nil {
		return err
	}
	if now.IsZero() {
		return errors.New("sign: make identity key: no time given")
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := k.create(path, now); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("sign: make identity key of %s: %w", domain, err)
		}
	}
	_, err = k.load(domain)
	return err
}

// create writes a file with a fresh key that signs from now on.
func (k *Keyring) create(path string, now time.Time) error {
	first, err := newKey(k.vault, filepath.Base(filepath.Dir(path)), now)
	if err != nil {
		return err
	}
	if err := (keyset.Set{&first.Key}).Switch(first.Name, now); err != nil {
		return err
	}
	refKey := make([]byte, 32)
	if _, err := rand.Read(refKey); err != nil {
		return err
	}
	b, err := formatKeys(&domainKeys{keys: []*key{first}, refKey: refKey})
	if err != nil {
		return err
	}
	return secret.Write(path, b)
}

func (k *Keyring) path(domain string) (string, error) {
	// A name that ParseDomain accepts has no slash and no empty label.
	name, err := mail.ParseDomain(domain)
	if err != nil {
		return "", fmt.Errorf("sign: identity key: %w", err)
	}
	return filepath.Join(k.dir, "keys", name, "identity.json"), nil
}

// load returns the keys of a domain. The file is looked at each time, so that
// one that was replaced or removed is noticed, but read only when it changed.
func (k *Keyring) load(domain string) (*domainKeys, error) {
	path, err := k.path(domain)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("sign: identity key of %s: %w", domain, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if d := k.loaded[path]; d != nil && secret.Same(d.info, info) {
		return d, nil
	}
	b, info, err := secret.Read(path)
	if err != nil {
		return nil, fmt.Errorf("sign: identity key of %s: %w", domain, err)
	}
	d, err := parseKeys(b)
	if err != nil {
		return nil, fmt.Errorf("sign: identity key of %s: damaged file: %w", domain, err)
	}
	d.info = info
	k.loaded[path] = d
	return d, nil
}
