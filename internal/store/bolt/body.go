package bolt

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
)

// inlineMax is where a body gets a file of its own: bbolt writes a large value
// again with every commit that touches its page, and never gives space back.
const inlineMax = 64 << 10

// body is what the database knows of a body. The sum is checked at every read,
// for bbolt has checksums in its meta pages only.
type body struct {
	size int64
	sum  [sha256.Size]byte
	file string // under DIR/bodies; empty when the body is in data
	data []byte
}

// encode returns kind, size, sum, then the data or the file's name.
func (r body) encode() []byte {
	kind, rest := byte('d'), r.data
	if r.file != "" {
		kind, rest = 'f', []byte(r.file)
	}
	b := make([]byte, 0, 1+8+len(r.sum)+len(rest))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(r.size))
	b = append(b, r.sum[:]...)
	return append(b, rest...)
}

func decodeBody(b []byte) (r body, err error) {
	const head = 1 + 8 + sha256.Size
	if len(b) < head || b[0] != 'd' && b[0] != 'f' {
		return r, errors.New("store: damaged record of a body")
	}
	r.size = int64(binary.BigEndian.Uint64(b[1:]))
	copy(r.sum[:], b[9:])
	if b[0] == 'd' {
		r.data = bytes.Clone(b[head:])
	} else if r.file = string(b[head:]); !isBodyFile(r.file) {
		return r, errors.New("store: damaged record of a body file")
	}
	return r, nil
}

// A body file is named by its content and a random tail: two mails that are
// alike do not share a fate.
const (
	tailSize   = 8
	nameSize   = len("ab/") + 2*sha256.Size + len("-") + 2*tailSize
	tempPrefix = ".tmp-"
)

func fileOf(sum [sha256.Size]byte) string {
	tail := make([]byte, tailSize)
	rand.Read(tail)
	digest := hex.EncodeToString(sum[:])
	return filepath.Join(digest[:2], digest+"-"+hex.EncodeToString(tail))
}

func isBodyFile(name string) bool {
	if len(name) != nameSize || name[2] != filepath.Separator || name[:2] != name[3:5] ||
		name[nameSize-2*tailSize-1] != '-' {
		return false
	}
	_, err := sumOf(name)
	return err == nil
}

// sumOf reads the digest out of the name of a body file.
func sumOf(name string) (sum [sha256.Size]byte, err error) {
	digest, tail, _ := strings.Cut(filepath.Base(name), "-")
	b, err := hex.DecodeString(digest + tail)
	if err != nil || len(b) != sha256.Size+tailSize {
		return sum, fmt.Errorf("store: %q names no body", name)
	}
	copy(sum[:], b)
	return sum, nil
}

// shards remembers which directories of bodies are durable.
type shards struct {
	mu    sync.Mutex
	known map[string]bool
}

// shard makes the directory of a body file. Nobody passes before the directory
// that holds it was synced.
func (db *DB) shard(name string) (string, error) {
	db.shards.mu.Lock()
	defer db.shards.mu.Unlock()
	dir := filepath.Join(db.bodies, filepath.Dir(name))
	if db.shards.known[dir] {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := syncDir(db.bodies); err != nil {
		return "", err
	}
	if db.shards.known == nil {
		db.shards.known = map[string]bool{}
	}
	db.shards.known[dir] = true
	return dir, nil
}

// Stage implements store.Store: the file of a large body is durable before the
// transaction that names it begins.
func (db *DB) Stage(ctx context.Context, key string, b []byte) (store.Staged, error) {
	if err := ctx.Err(); err != nil {
		return store.Staged{}, err
	}
	select {
	case <-db.closed:
		return store.Staged{}, store.ErrClosed
	default:
	}
	if len(b) < inlineMax {
		return store.Inline(key, bytes.Clone(b)), nil
	}
	if err := db.take(int64(len(b))); err != nil {
		return store.Staged{}, fmt.Errorf("store: stage %s: %w", key, err)
	}
	name := fileOf(sha256.Sum256(b))
	_, err := db.shard(name)
	if err == nil {
		err = writeSynced(filepath.Join(db.bodies, name), b)
	}
	if err != nil {
		return store.Staged{}, fmt.Errorf("store: stage %s: %w", key, err)
	}
	return store.NewStaged(key, int64(len(b)), name), nil
}

// Discard implements store.Store.
func (db *DB) Discard(s store.Staged) {
	_, file := s.Kept()
	if !isBodyFile(file) {
		return
	}
	if db.failure() != nil {
		return // the journal may name it at the next start, which removes it if not
	}
	r, err := db.bodyRecord(context.Background(), s.Key)
	switch {
	case err == nil && r.file == file:
	case err == nil, errors.Is(err, store.ErrNotFound):
		db.removeFiles(map[string]bool{file: false})
	case !errors.Is(err, store.ErrClosed): // not readable now; the sweep of the next start is the last resort
		db.orphans.add(s)
	}
}

// orphans are staged bodies of which it is not known yet whether a record
// names them.
type orphans struct {
	mu   sync.Mutex
	list []store.Staged
}

// maxOrphans bounds the list; what is beyond is swept at the next start.
const maxOrphans = 1000

func (o *orphans) add(s store.Staged) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) < maxOrphans {
		o.list = append(o.list, s)
	}
}

func (o *orphans) take() []store.Staged {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

// PutBody implements store.Records.
func (t *txn) PutBody(s store.Staged) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	b, file := s.Kept()
	r := body{size: int64(len(b)), sum: sha256.Sum256(b), data: b}
	if file != "" {
		var err error
		if r, err = t.stagedFile(s, file); err != nil {
			return err
		}
	}
	if err := t.dropFile(s.Key); err != nil {
		return err
	}
	if r.file != "" {
		t.touch(r.file, true)
	}
	return t.put(kindBody, s.Key, r.encode())
}

// stagedFile looks whether the file is there: one that was put before and
// deleted since is not.
func (t *txn) stagedFile(s store.Staged, file string) (body, error) {
	if !isBodyFile(file) {
		return body{}, fmt.Errorf("store: body %s: %q names no body", s.Key, file)
	}
	sum, err := sumOf(file)
	if err != nil {
		return body{}, err
	}
	fi, err := os.Stat(filepath.Join(t.dir, file))
	if err != nil {
		return body{}, fmt.Errorf("store: body %s: %w", s.Key, err)
	}
	if fi.Size() != s.Size {
		return body{}, fmt.Errorf("store: body %s is not what was staged", s.Key)
	}
	return body{size: s.Size, sum: sum, file: file}, nil
}

// DeleteBody implements store.Records.
func (t *txn) DeleteBody(key string) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if err := t.dropFile(key); err != nil {
		return err
	}
	return t.delete(kindBody, key)
}

// dropFile marks the file of a body that is replaced or deleted.
func (t *txn) dropFile(key string) error {
	b := t.get(kindBody, key)
	if b == nil {
		return nil
	}
	r, err := decodeBody(b)
	if err == nil && r.file != "" {
		t.touch(r.file, false)
	}
	return err
}

func (t *txn) touch(file string, named bool) {
	if t.files == nil {
		t.files = map[string]bool{}
	}
	t.files[file] = named
}

// Body implements store.Store.
func (db *DB) Body(ctx context.Context, key string) ([]byte, error) {
	for tried := ""; ; {
		r, err := db.bodyRecord(ctx, key)
		if err != nil {
			return nil, err
		}
		b := r.data
		if r.file != "" {
			b, err = os.ReadFile(filepath.Join(db.bodies, r.file))
			// Deleted or replaced since the record was read: look again.
			if errors.Is(err, fs.ErrNotExist) && tried != r.file {
				tried = r.file
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("store: body %s: %w", key, err)
			}
		}
		if int64(len(b)) != r.size || sha256.Sum256(b) != r.sum {
			return nil, fmt.Errorf("store: body %s is not what was stored", key)
		}
		return b, nil
	}
}

func (db *DB) bodyRecord(ctx context.Context, key string) (r body, err error) {
	err = db.view(ctx, func(t *txn) error {
		b := t.get(kindBody, key)
		if b == nil {
			return store.ErrNotFound
		}
		r, err = decodeBody(b)
		return err
	})
	return r, err
}

// removeFiles removes files that no record names any more. One that stays is
// swept at the next start.
func (db *DB) removeFiles(files map[string]bool) {
	for name, named := range files {
		if !named {
			_ = os.Remove(filepath.Join(db.bodies, name))
		}
	}
}

// sweep removes body files that no record names: staged and never put, or put
// by a commit that did not come into force.
func (db *DB) sweep() error {
	named := map[string]bool{}
	unreadable := false
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bodyBucket).ForEach(func(_, v []byte) error {
			r, err := decodeBody(v)
			unreadable = unreadable || err != nil
			if r.file != "" {
				named[r.file] = true
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if _, err := os.Stat(db.bodies); errors.Is(err, fs.ErrNotExist) && len(named) > 0 {
		return fmt.Errorf("%s is gone with %d bodies; restore it from a backup: %w", bodiesName, len(named), store.ErrMissing)
	}
	if err := makeDir(db.bodies); err != nil {
		return err
	}
	// A record that cannot be read may name any of the files. Body will say so.
	if unreadable {
		return nil
	}
	return filepath.WalkDir(db.bodies, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(db.bodies, path)
		// Files that are not ours are none of our business.
		if err != nil || named[name] || !isBodyFile(name) && !strings.HasPrefix(d.Name(), tempPrefix) {
			return err
		}
		return os.Remove(path)
	})
}
