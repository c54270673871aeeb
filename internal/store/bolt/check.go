package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// The two meta pages of a bbolt file, version 2: after a page header of 16
// octets come magic, version, page size, flags, root (16), freelist, the
// high-water mark, the transaction id and an FNV-64a checksum of all before it.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	pageHeader  = 16
	metaSize    = 64
)

// checkFile refuses a file that bbolt would take for a new database, would
// crash on, or would map beyond its end.
func checkFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("the database is missing")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.Size() == 0 {
		return errors.New("the database is empty")
	}
	// The page size stands in the first meta page; when that one is damaged,
	// the second one is found at the sizes systems have.
	var newest meta
	for _, size := range []int64{0, 4096, 8192, 16384, 65536} {
		m, err := readMeta(f, size)
		if err == nil && (newest.pageSize == 0 || m.txid > newest.txid) {
			newest = m
		}
	}
	if newest.pageSize == 0 {
		return errors.New("the database has no valid meta page")
	}
	if need := int64(newest.highWater) * int64(newest.pageSize); fi.Size() < need {
		return fmt.Errorf("the database is cut short: %d octets of %d", fi.Size(), need)
	}
	return nil
}

type meta struct {
	pageSize  uint32
	highWater uint64
	txid      uint64
}

func readMeta(f *os.File, at int64) (meta, error) {
	b := make([]byte, metaSize)
	if _, err := f.ReadAt(b, at+pageHeader); err != nil {
		return meta{}, err
	}
	le := binary.NativeEndian
	h := fnv.New64a()
	h.Write(b[:56])
	if le.Uint32(b) != metaMagic || le.Uint32(b[4:]) != metaVersion || le.Uint64(b[56:]) != h.Sum64() {
		return meta{}, errors.New("not a meta page")
	}
	return meta{pageSize: le.Uint32(b[8:]), highWater: le.Uint64(b[40:]), txid: le.Uint64(b[48:])}, nil
}
