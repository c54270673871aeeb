package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/internal/store"
)

const (
	lockWait = time.Second
	lockPoll = 25 * time.Millisecond

	// mapped is the address space taken at once, not memory: while the map
	// need not grow, no reader holds up a commit.
	mapped = 1 << 30
)

var errLocked = errors.New("another daemon has the data directory open")

func boltOptions() *bbolt.Options {
	return &bbolt.Options{
		Timeout:         lockWait,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapped,
		NoStatistics:    true,
	}
}

// openFile opens the file that is there. It is locked and checked on the very
// handle that bbolt then gets, so nobody can exchange it in between.
func (db *DB) openFile() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var f *os.File
	defer func() {
		// What the meta pages do not tell, such as a free list that is none,
		// bbolt answers with a panic. It keeps its map then, and the map the lock.
		if r := recover(); r != nil {
			err = errors.Join(damaged("%v", r), unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
		}
	}()
	o := boltOptions()
	o.OpenFile = func(name string, flag int, mode fs.FileMode) (*os.File, error) {
		h, err := openLocked(name, flag&^os.O_CREATE, mode)
		if err != nil {
			return nil, err
		}
		if err := checkFile(h); err != nil {
			return nil, errors.Join(err, h.Close())
		}
		f = h
		return h, nil
	}
	path := db.path
	if db.earlier = db.isEarlier(); db.earlier {
		path = filepath.Join(db.o.Dir, earlierName)
	}
	b, err := bbolt.Open(path, 0o600, o)
	if errors.Is(err, fs.ErrNotExist) {
		return damaged("it is gone")
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if db.file, err = f.Stat(); err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), b.Close())
	}
	db.bolt = b
	return nil
}

// isEarlier reports whether the database is one of before there was a journal.
func (db *DB) isEarlier() bool {
	_, err := os.Lstat(db.path)
	_, err2 := os.Lstat(filepath.Join(db.o.Dir, earlierName))
	return errors.Is(err, fs.ErrNotExist) && err2 == nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("store: %s: %s; restore it from a backup: %w", fileName, fmt.Sprintf(format, args...),
		store.ErrMissing)
}

func openLocked(name string, flag int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	// A daemon that is just ending gets a moment.
	for wait := time.Duration(0); ; wait += lockPoll {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) && wait < lockWait {
			time.Sleep(lockPoll)
			continue
		}
		break
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// The two meta pages of a bbolt file, version 2: after a page header of 16
// octets come magic, version, page size, flags, root (page and sequence), free
// list, high-water mark, transaction, and an FNV-64a checksum of all before it.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	pageHeader  = 16
	metaSize    = 64
	noFreelist  = 1<<64 - 1
)

type meta struct {
	pageSize                       int64
	root, freelist, highWater, txn uint64
}

// checkFile refuses a file that bbolt would take for a new one, crash on, or
// read one commit too old. Both meta pages must be good: when one is not, the
// other may be the older, and a meta page fits one sector, so that no power cut
// leaves half of it.
func checkFile(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.Size() == 0 {
		return damaged("it is empty")
	}
	newest, err := readMeta(f, 0)
	if err != nil {
		return damaged("its first meta page is damaged: %v", err)
	}
	other, err := readMeta(f, newest.pageSize)
	if err != nil {
		return damaged("its second meta page is damaged: %v", err)
	}
	if other.txn > newest.txn {
		newest = other
	}
	if pages := uint64(fi.Size() / newest.pageSize); newest.highWater > pages {
		return damaged("it is cut short: %d pages of %d", pages, newest.highWater)
	}
	if newest.root >= newest.highWater || newest.freelist >= newest.highWater && newest.freelist != noFreelist {
		return damaged("its newest meta page points behind the end")
	}
	return nil
}

func readMeta(f *os.File, at int64) (meta, error) {
	b := make([]byte, metaSize)
	if _, err := f.ReadAt(b, at+pageHeader); err != nil {
		return meta{}, err
	}
	order := binary.NativeEndian
	h := fnv.New64a()
	h.Write(b[:56])
	m := meta{
		pageSize:  int64(order.Uint32(b[8:])),
		root:      order.Uint64(b[16:]),
		freelist:  order.Uint64(b[32:]),
		highWater: order.Uint64(b[40:]),
		txn:       order.Uint64(b[48:]),
	}
	switch {
	case order.Uint32(b) != metaMagic:
		return meta{}, errors.New("wrong magic")
	case order.Uint32(b[4:]) != metaVersion:
		return meta{}, fmt.Errorf("version %d", order.Uint32(b[4:]))
	case order.Uint64(b[56:]) != h.Sum64():
		return meta{}, errors.New("wrong checksum")
	case m.pageSize < 1024 || m.pageSize&(m.pageSize-1) != 0:
		return meta{}, fmt.Errorf("page size %d", m.pageSize)
	}
	return m, nil
}
