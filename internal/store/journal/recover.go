package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Recovered is what stands in a journal behind a position.
type Recovered struct {
	Batches [][]byte
	End     Position // of the last batch
	Cut     int      // sectors of interrupted writes behind it, which count as never written
}

// Open opens a journal and reads what stands in it from a position on, which its owner has
// kept. Once the owner has made that durable elsewhere, it calls Free with the end.
func Open(o Options, from Position) (*Journal, Recovered, error) {
	o = o.defaults()
	files, err := openFiles(o)
	if err != nil {
		return nil, Recovered{}, err
	}
	j := &Journal{o: o, tag: tagOf(o.Store), files: files}
	j.freed.Store(from.Lap)
	r := &reader{j: j, Recovered: Recovered{End: from}}
	if err := r.read(from); err != nil {
		return nil, Recovered{}, errors.Join(fmt.Errorf("%w: %w", ErrDamaged, err), j.Close())
	}
	// The rest of the last segment may hold sectors of this lap that were cut: it is not used.
	j.end, j.synced, j.next = r.End, r.End, Position{Lap: r.End.Lap, Offset: o.Size}
	if r.End == (Position{Lap: 1}) && r.Cut == 0 {
		j.next = r.End // a new journal
	}
	return j, r.Recovered, nil
}

// reader reads the segments from a position on, lap by lap.
type reader struct {
	j *Journal
	Recovered
	known Position // the latest that a batch behind the hole names as durable
}

func (r *reader) read(from Position) error {
	buf := make([]byte, r.j.o.Size)
	for lap := from.Lap; lap < from.Lap+uint64(len(r.j.files)); lap++ {
		if _, err := r.j.file(lap).ReadAt(buf, 0); err != nil {
			return fmt.Errorf("segment %d: %w", lap%uint64(len(r.j.files)), err)
		}
		start := int64(0)
		if lap == from.Lap {
			if start = from.Offset; start > r.j.o.Size {
				return errors.New("its segments are shorter than the database says")
			}
			if err := r.reaches(buf, from); err != nil {
				return err
			}
		}
		if err := r.segment(buf, Position{lap, start}); err != nil {
			return err
		}
	}
	if r.End.Before(r.known) {
		return fmt.Errorf("what was durable up to %s ends at %s", r.known, r.End)
	}
	return nil
}

// reaches reports whether the journal was ever written up to from, and not used again since.
func (r *reader) reaches(buf []byte, from Position) error {
	if from.Offset == 0 {
		return nil
	}
	// What stands before from is not needed, and may be damaged, but for this.
	if s, err := open(buf[:sectorSize], r.j.tag, 0); err == nil && s.lap > from.Lap {
		return errors.New("it is newer than the database")
	}
	last := from.Offset - sectorSize
	s, err := open(buf[last:last+sectorSize], r.j.tag, uint32(last/sectorSize))
	if err == nil && s.lap < from.Lap {
		err = errors.New("it is older than the database")
	}
	return err
}

// segment reads one segment from a position on.
func (r *reader) segment(buf []byte, p Position) error {
	for p.Offset < int64(len(buf)) {
		data, size, err := r.batch(buf, p)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		r.Batches, p.Offset = append(r.Batches, data), p.Offset+size
		r.End = p
	}
	return r.behind(buf, p)
}

// batch reads the batch at a position; size is 0 where none is whole.
func (r *reader) batch(buf []byte, p Position) (data []byte, size int64, err error) {
	whole := false
	for at := p.Offset; at < int64(len(buf)); at += sectorSize {
		s, err := r.sector(buf, Position{p.Lap, at})
		if err != nil {
			return nil, 0, err
		}
		if s.lap < p.Lap || (s.flags&flagFirst != 0) != (at == p.Offset) || (s.flags&flagFill != 0) != whole {
			return nil, 0, nil
		}
		data = append(data, s.payload...)
		whole = whole || s.flags&flagLast != 0
		// The rest of its last page belongs to it.
		if size = at + sectorSize - p.Offset; whole && size%pageSize == 0 {
			break
		}
	}
	h, ok := parseHead(data)
	if !whole || !ok || h.octets != len(data)-batchHead || h.before != r.End || p.Before(h.synced) {
		return nil, 0, nil
	}
	return data[batchHead:], size, nil
}

// behind looks at what stands behind the last batch of a segment: sectors of earlier laps, and
// parts of batches that were being written.
func (r *reader) behind(buf []byte, p Position) error {
	for at := p.Offset; at < int64(len(buf)); at += sectorSize {
		s, err := r.sector(buf, Position{p.Lap, at})
		if err != nil {
			return err
		}
		if s.lap < p.Lap {
			continue
		}
		r.Cut++
		if s.flags&flagFirst == 0 {
			continue
		}
		h, ok := parseHead(s.payload)
		if !ok {
			return fmt.Errorf("the batch at %s has no beginning", Position{p.Lap, at})
		}
		if r.known.Before(h.synced) {
			r.known = h.synced
		}
	}
	return nil
}

func (r *reader) sector(buf []byte, p Position) (sector, error) {
	s, err := open(buf[p.Offset:p.Offset+sectorSize], r.j.tag, uint32(p.Offset/sectorSize))
	switch {
	case err != nil:
		return s, fmt.Errorf("at %s %w", p, err)
	case s.lap > p.Lap:
		return s, fmt.Errorf("at %s it is newer than the database", p)
	}
	return s, nil
}

// head is what stands before the octets of a batch.
type head struct {
	before, synced Position
	octets         int
}

func parseHead(b []byte) (h head, ok bool) {
	if len(b) < batchHead {
		return h, false
	}
	before, ok1 := ParsePosition(b[:positionSize])
	synced, ok2 := ParsePosition(b[positionSize : 2*positionSize])
	return head{before, synced, int(binary.BigEndian.Uint32(b[2*positionSize:]))}, ok1 && ok2
}
