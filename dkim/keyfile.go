package dkim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/secret"
)

// stateFile lists the keys of a domain. A directory without one is from before
// there were states: each key in it signs.
const stateFile = "dkim.json"

// The files of the first keys, which are older than the state file.
var firstFile = map[string]string{RSA: "dkim-rsa.pem", Ed25519: "dkim-ed25519.pem"}

// keyFile is the format of dkim.json.
type keyFile struct {
	Keys []keyEntry `json:"keys"`
}

type keyEntry struct {
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Public    string `json:"p"` // as in the record
	File      string `json:"file,omitempty"`
	Label     string `json:"label,omitempty"`
	keyset.Life
}

func formatKeys(keys []*key) ([]byte, error) {
	f := keyFile{Keys: []keyEntry{}}
	for _, k := range keys {
		f.Keys = append(f.Keys, keyEntry{Selector: k.Name, Algorithm: k.Alg, Public: k.p, File: k.file,
			Label: k.label, Life: k.Life})
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// parseKeys is strict: a file that was edited or cut short must not sign.
func parseKeys(b []byte) ([]*key, error) {
	var f keyFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(b[dec.InputOffset():])) > 0 {
		return nil, errors.New("something follows the keys")
	}
	var keys []*key
	for _, e := range f.Keys {
		k := &key{Key: keyset.Key{Name: e.Selector, Alg: e.Algorithm, Life: e.Life}, p: e.Public, file: e.File,
			label: e.Label}
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %q: %w", e.Selector, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("no key")
	}
	if err := set(keys).Check(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(keys, func(a, b *key) int { return keyset.Compare(&a.Key, &b.Key) })
	return keys, nil
}

func (k *key) check() error {
	_, known := selectorSuffix[k.Alg]
	p, err := base64.StdEncoding.DecodeString(k.p)
	s := k.State()
	switch {
	case checkSelector(k.Name) != nil, !known:
		return errors.New("its selector or its algorithm cannot be meant")
	case err != nil, len(p) == 0, base64.StdEncoding.EncodeToString(p) != k.p:
		return errors.New("the public half cannot be read")
	case k.file != "" && (k.label != "" || filepath.Base(k.file) != k.file):
		return errors.New("its private half is in two places, or outside of the directory")
	case k.file == "" && k.label == "" && (s == keyset.Next || s == keyset.Current):
		return errors.New("its private half is gone")
	}
	return nil
}

// set returns the keys as their states see them.
func set(keys []*key) (s keyset.Set) {
	for _, k := range keys {
		s = append(s, &k.Key)
	}
	return s
}

// readKeys reads the keys of a directory and what the state file was, nil
// without one.
func readKeys(dir string) ([]*key, fs.FileInfo, error) {
	b, info, err := secret.Read(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		keys, err := firstKeys(dir)
		return keys, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	keys, err := parseKeys(b)
	if err != nil {
		return nil, nil, fmt.Errorf("damaged file %s: %w", stateFile, err)
	}
	return keys, info, nil
}

// firstKeys reads a directory without a state file: mm1 and mm1-ed sign.
func firstKeys(dir string) (keys []*key, err error) {
	for _, alg := range []string{RSA, Ed25519} {
		b, info, err := secret.Read(filepath.Join(dir, firstFile[alg]))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		_, is, p, err := parsePEM(b)
		if err == nil && is != alg {
			err = fmt.Errorf("not a key for %s", alg)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", firstFile[alg], err)
		}
		at := info.ModTime().UTC()
		keys = append(keys, &key{p: p, file: firstFile[alg], Key: keyset.Key{
			Name: "mm1" + selectorSuffix[alg], Alg: alg, Life: keyset.Life{Created: at, Activated: at}}})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: %w", firstFile[RSA], os.ErrNotExist)
	}
	return keys, nil
}
