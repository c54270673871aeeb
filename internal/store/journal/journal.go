// Package journal keeps batches of octets in the order in which they were written, at one
// flush each.
//
//	DIR/0, DIR/1, ...   segments of equal size, written in turn
//
// A segment was filled with zeros and synced, with its directory, before its first use: a
// batch then changes no size and no extent of a file, so that fdatasync writes data alone.
// It is used again once its owner has freed what it holds.
//
// # What a start finds
//
// A batch names the position up to which everything was known to be durable when it was
// written. [Open] reads batch by batch up to the first hole: a sector of an earlier lap where
// one of this lap should be. What an interrupted write leaves is cut there. Open refuses
// with [ErrDamaged] a sector that is neither of this lap nor of an earlier one, and a hole
// below a position that a batch names as durable. It cannot see that the last batch is gone
// as a whole, sectors and all, if nothing was written after it.
//
// # After a failed flush
//
// The system may then count octets as written that never were. So nothing is written or
// synced again: each later call fails, and the next start reads what the disk has.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/internal/store"
)

// Options say where a journal is. All but the hooks are required.
type Options struct {
	Dir      string
	Store    string // id of the store whose changes it holds
	Segments int    // at least 3
	Size     int64  // octets of a segment, a multiple of 4096

	Write func(f *os.File, b []byte, at int64) (int, error) // tests; nil: WriteAt
	Sync  func(*os.File) error                              // tests; nil: fdatasync
}

// Errors of a journal.
var (
	// ErrFull: nothing was written, because no segment is free.
	ErrFull = errors.New("journal: no segment is free")
	// ErrTooLarge: nothing was written, because the batch is larger than a segment.
	ErrTooLarge = errors.New("journal: the batch is too large")
	// ErrFailed: an earlier write or flush failed.
	ErrFailed = errors.New("journal: it failed before")
	// ErrDamaged: the journal holds less than it once held durably, or something else.
	ErrDamaged = errors.New("journal: it is damaged")
)

// Journal is open for writing. It is for one goroutine, but for Free.
type Journal struct {
	o     Options
	tag   uint32
	files []*os.File

	end    Position      // of the last batch
	next   Position      // where the next one begins
	synced Position      // everything before it is durable
	freed  atomic.Uint64 // laps before it are not needed
	failed error
	buf    []byte
}

// batchHead is what stands before the octets of a batch: where the batch before it ends, the
// position before which everything is durable, and the number of octets.
const batchHead = 2*positionSize + 4

// Create makes the segments. What an interrupted Create left is made again.
func Create(o Options) error {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for i := range o.Segments {
		if err := makeSegment(o.segment(i), o.Size); err != nil {
			return fmt.Errorf("journal: make a segment: %w", err)
		}
	}
	if err := errors.Join(syncDir(o.Dir), syncDir(filepath.Dir(o.Dir))); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (o Options) segment(i int) string { return filepath.Join(o.Dir, strconv.Itoa(i)) }

// makeSegment fills a file with zeros. Space that is only reserved would cost a change of
// the file system at the first write to it.
func makeSegment(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tagOf is what the sectors of a store bear.
func tagOf(store string) uint32 { return crc32.Checksum([]byte(store), castagnoli) | 1 }

// openFiles opens every segment.
func openFiles(o Options) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
		}
	}()
	for i := range o.Segments {
		f, err := os.OpenFile(o.segment(i), os.O_RDWR, 0)
		if err != nil {
			return files, fmt.Errorf("%w: segment %d cannot be opened: %w", ErrDamaged, i, err)
		}
		files = append(files, f)
		fi, err := f.Stat()
		if err != nil {
			return files, fmt.Errorf("journal: %w", err)
		}
		if fi.Size() != o.Size {
			return files, fmt.Errorf("%w: segment %d has %d octets, not %d", ErrDamaged, i, fi.Size(), o.Size)
		}
	}
	return files, nil
}

func (j *Journal) file(lap uint64) *os.File { return j.files[lap%uint64(len(j.files))] }

// Append writes a batch. It is durable once Sync has returned. After ErrFull, ErrTooLarge and
// an error of a full disk nothing was written; after any other the journal has failed, and the
// batch may be there at the next start.
func (j *Journal) Append(data []byte) (end Position, err error) {
	if j.failed != nil {
		return end, fmt.Errorf("%w: %w", ErrFailed, j.failed)
	}
	size := batchSize(len(data))
	if size > j.o.Size {
		return end, ErrTooLarge
	}
	if j.next.Offset+size > j.o.Size {
		if err := j.turn(); err != nil {
			return end, err
		}
	}
	b := j.encode(data, size)
	n, err := j.o.Write(j.file(j.next.Lap), b, j.next.Offset)
	if err != nil && int64(n) < size && store.Full(err) { // of a file system that never writes in place
		return end, fmt.Errorf("journal: %w", err) // what is there is no whole batch, and is written over
	}
	if err != nil {
		return end, j.fail(err)
	}
	j.next.Offset += size
	j.end = j.next
	return j.end, nil
}

// turn begins the next segment. All of the one before is durable by then, so that a hole is
// never followed by a lap that knows nothing of it.
func (j *Journal) turn() error {
	if j.next.Lap+1-j.freed.Load() >= uint64(len(j.files)) {
		return ErrFull
	}
	if err := j.Sync(); err != nil {
		return err
	}
	j.next = Position{Lap: j.next.Lap + 1}
	return nil
}

// Sync makes everything durable that was written.
func (j *Journal) Sync() error {
	if j.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, j.failed)
	}
	if j.synced == j.end {
		return nil
	}
	if err := j.o.Sync(j.file(j.end.Lap)); err != nil {
		return j.fail(err)
	}
	j.synced = j.end
	return nil
}

func (j *Journal) fail(err error) error {
	j.failed = err
	return fmt.Errorf("journal: %w", err)
}

// Free says that nothing before a position is needed any more.
func (j *Journal) Free(p Position) { j.freed.Store(max(j.freed.Load(), p.Lap)) }

// End returns where the last batch ends.
func (j *Journal) End() Position { return j.end }

// Used returns how many octets of the segments are not free.
func (j *Journal) Used() int64 { return int64(j.next.Lap-j.freed.Load())*j.o.Size + j.next.Offset }

// Close closes the files. What was not synced may be lost.
func (j *Journal) Close() (err error) {
	for _, f := range j.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Largest is how many octets a batch has at most, in a segment of so many octets.
func Largest(segment int64) int { return int(segment/sectorSize)*payloadSize - batchHead }

// batchSize is how many octets a batch takes, whole pages.
func batchSize(n int) int64 {
	sectors := (batchHead + n + payloadSize - 1) / payloadSize
	return (int64(sectors)*sectorSize + pageSize - 1) / pageSize * pageSize
}

// encode writes a batch in sectors.
func (j *Journal) encode(data []byte, size int64) []byte {
	if int64(cap(j.buf)) < size {
		j.buf = make([]byte, size)
	}
	b := j.buf[:size]
	clear(b)
	head := j.synced.Append(j.end.Append(make([]byte, 0, batchHead)))
	head = binary.BigEndian.AppendUint32(head, uint32(len(data)))
	left := len(head) + len(data)
	number, flags := uint32(j.next.Offset/sectorSize), uint16(flagFirst)
	for at := int64(0); at < size; at += sectorSize {
		payload := b[at+sectorHead : at+sectorSize]
		used := copy(payload, head)
		head = head[used:]
		n := copy(payload[used:], data)
		data, used = data[n:], used+n
		if left == 0 {
			flags = flagFill
		} else if left -= used; left == 0 {
			flags |= flagLast
		}
		seal(b[at:at+sectorSize], j.tag, j.next.Lap, number, used, flags)
		number, flags = number+1, 0
	}
	return b
}

// defaults fills in what the tests leave out.
func (o Options) defaults() Options {
	if o.Write == nil {
		o.Write = (*os.File).WriteAt
	}
	if o.Sync == nil {
		o.Sync = func(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
	}
	return o
}
