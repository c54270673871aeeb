package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/mail"
)

// Keyring keeps the identity keys of the domains, one file each.
type Keyring struct {
	dir string

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
	keys   []*key // next, current, retired ones from the youngest to the oldest
	refKey []byte // hides agent references; survives every change of key
}

// current returns the key that signs; parseKeys has made sure that there is one.
func (d *domainKeys) current() *key {
	for _, k := range d.keys {
		if k.signs() {
			return k
		}
	}
	return nil
}

func (k *key) signs() bool { return !k.activated.IsZero() && k.retired.IsZero() }

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
		if err := create(path, now); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("sign: make identity key of %s: %w", domain, err)
		}
	}
	_, err = k.load(domain)
	return err
}

// create writes a file with a fresh key.
func create(path string, now time.Time) error {
	first, err := newKey(now)
	if err != nil {
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

// keyFile is the file's format. A retired key may come without its private half.
type keyFile struct {
	RefKey string     `json:"agent_ref_key"`
	Keys   []keyEntry `json:"keys"`
}

type keyEntry struct {
	jwk
	D         string    `json:"d,omitempty"`
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retired   time.Time `json:"retired,omitzero"`
}

func formatKeys(d *domainKeys) ([]byte, error) {
	f := keyFile{RefKey: encode(d.refKey)}
	for _, k := range d.keys {
		public, err := k.jwk()
		if err != nil {
			return nil, err
		}
		e := keyEntry{jwk: public, Created: k.created, Activated: k.activated, Retired: k.retired}
		if k.private != nil {
			secret, err := k.private.Bytes()
			if err != nil {
				return nil, err
			}
			e.D = encode(secret)
		}
		f.Keys = append(f.Keys, e)
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// parseKeys is strict: a file that was edited or cut short must not sign.
func parseKeys(b []byte) (*domainKeys, error) {
	var f keyFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(b[dec.InputOffset():])) > 0 {
		return nil, errors.New("something follows the keys")
	}
	refKey, err := decode(f.RefKey)
	if err != nil || len(refKey) != 32 {
		return nil, errors.New("agent_ref_key has not 32 octets")
	}
	d := &domainKeys{refKey: refKey}
	next, current := 0, 0
	for _, e := range f.Keys {
		k, err := e.key()
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", e.Kid, err)
		}
		if k.activated.IsZero() {
			next++
		} else if k.signs() {
			current++
		}
		d.keys = append(d.keys, k)
	}
	if current != 1 || next > 1 {
		return nil, fmt.Errorf("%d keys sign and %d are next", current, next)
	}
	slices.SortStableFunc(d.keys, func(a, b *key) int {
		if c := a.rank() - b.rank(); c != 0 {
			return c
		}
		return b.retired.Compare(a.retired)
	})
	return d, nil
}

// rank orders next, current, retired.
func (k *key) rank() int {
	switch {
	case k.activated.IsZero():
		return 0
	case k.signs():
		return 1
	}
	return 2
}

func (e keyEntry) key() (*key, error) {
	public, err := e.publicKey()
	if err != nil {
		return nil, err
	}
	k := &key{
		kid: e.Kid, public: public,
		created: e.Created, activated: e.Activated, retired: e.Retired,
	}
	if k.activated.IsZero() && !k.retired.IsZero() || k.created.IsZero() {
		return nil, errors.New("its times contradict each other")
	}
	if e.D == "" && !k.retired.IsZero() {
		return k, nil
	}
	secret, err := decode(e.D)
	if err != nil {
		return nil, errors.New("the private half cannot be read")
	}
	if k.private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), secret); err != nil {
		return nil, errors.New("the private half is not a P-256 key")
	}
	if !k.private.PublicKey.Equal(public) {
		return nil, errors.New("the two halves do not belong together")
	}
	return k, nil
}
