package bolt

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// inlineMax is where a body gets a file of its own: large values make every
// commit that touches their pages write them again.
const inlineMax = 64 << 10

const bodyPrefix = "\x00body/" // no key of a room begins with NUL

// body is the record of a body. The sum is checked at every read: the database
// has checksums for its meta pages only.
type body struct {
	File string `json:"file,omitempty"`
	Data []byte `json:"data,omitempty"`
	Size int64  `json:"size"`
	Sum  string `json:"sum"`
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// Stage implements store.Store: the file of a large body is durable before the
// transaction that names it.
func (db *DB) Stage(ctx context.Context, key string, b []byte) (store.Staged, error) {
	if err := ctx.Err(); err != nil {
		return store.Staged{}, err
	}
	if len(b) < inlineMax {
		return store.Inline(key, b), nil
	}
	tail := make([]byte, 8)
	rand.Read(tail)
	digest := sum(b)
	name := filepath.Join(digest[:2], digest+"-"+hex.EncodeToString(tail))
	path := filepath.Join(db.o.Dir, bodiesName, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = syncDir(filepath.Join(db.o.Dir, bodiesName))
	}
	if err == nil {
		err = writeSynced(path, b)
	}
	if err != nil {
		return store.Staged{}, fmt.Errorf("store: stage %s: %w", key, err)
	}
	return store.Staged{Key: key, File: name, Size: int64(len(b))}, nil
}

// PutBody implements store.Tx.
func (t *txn) PutBody(s store.Staged) error {
	r := body{File: s.File, Data: s.Inline, Size: s.Size}
	if s.File == "" {
		r.Sum = sum(s.Inline)
	} else {
		r.Sum, _, _ = strings.Cut(filepath.Base(s.File), "-")
	}
	if err := t.dropFile(s.Key); err != nil {
		return err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("store: body %s: %w", s.Key, err)
	}
	return t.Put(bodyPrefix+s.Key, b)
}

// DeleteBody implements store.Tx.
func (t *txn) DeleteBody(key string) error {
	if err := t.dropFile(key); err != nil {
		return err
	}
	return t.Delete(bodyPrefix + key)
}

// dropFile marks the file of a body that is replaced or deleted.
func (t *txn) dropFile(key string) error {
	b, err := t.Get(bodyPrefix + key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	var r body
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil && r.File != "" {
		t.removed = append(t.removed, r.File)
	}
	return err
}

// Body implements store.Store.
func (db *DB) Body(ctx context.Context, key string) ([]byte, error) {
	var r body
	err := db.View(ctx, func(tx store.Tx) error {
		b, err := tx.Get(bodyPrefix + key)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &r)
	})
	if err != nil {
		return nil, err
	}
	b := r.Data
	if r.File != "" {
		if b, err = os.ReadFile(filepath.Join(db.o.Dir, bodiesName, r.File)); err != nil {
			return nil, fmt.Errorf("store: body %s: %w", key, err)
		}
	}
	if int64(len(b)) != r.Size || sum(b) != r.Sum {
		return nil, fmt.Errorf("store: body %s is not what was stored", key)
	}
	return b, nil
}

// removeFiles removes files that no record names any more; one that stays is
// swept at the next start.
func (db *DB) removeFiles(names []string) {
	for _, n := range names {
		_ = os.Remove(filepath.Join(db.o.Dir, bodiesName, n))
	}
}

// sweep removes files that no record names: of submissions that were never
// committed.
func (db *DB) sweep() error {
	named := map[string]bool{}
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for k, v := c.Seek([]byte(bodyPrefix)); strings.HasPrefix(string(k), bodyPrefix); k, v = c.Next() {
			var r body
			if err := json.Unmarshal(v, &r); err != nil {
				return fmt.Errorf("store: body %s: %w", k[len(bodyPrefix):], err)
			}
			named[r.File] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	root := filepath.Join(db.o.Dir, bodiesName)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || named[name] {
			return err
		}
		return os.Remove(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: sweep: %w", err)
	}
	return nil
}

// writeSynced writes a file that is whole and durable, or not there.
func writeSynced(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
