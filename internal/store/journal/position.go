package journal

import (
	"encoding/binary"
	"fmt"
)

// Position is a place in the journal. Laps count the segments that were ever begun; they
// share a few files in turn.
type Position struct {
	Lap    uint64 // from 1
	Offset int64  // octets into the segment
}

// Before reports whether p stands before q.
func (p Position) Before(q Position) bool {
	return p.Lap < q.Lap || p.Lap == q.Lap && p.Offset < q.Offset
}

func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Lap, p.Offset) }

// positionSize is how many octets a position takes.
const positionSize = 16

// Append adds a position to b, to be read by [ParsePosition].
func (p Position) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, p.Lap), uint64(p.Offset))
}

// ParsePosition reads what [Position.Append] wrote.
func ParsePosition(b []byte) (p Position, ok bool) {
	if len(b) != positionSize {
		return p, false
	}
	p = Position{Lap: binary.BigEndian.Uint64(b), Offset: int64(binary.BigEndian.Uint64(b[8:]))}
	return p, p.Lap > 0 && p.Offset >= 0 && p.Offset%pageSize == 0
}
