package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment is written in sectors, the unit that a disk writes whole or not at all. Each says
// which lap wrote it and where it stands, and has a checksum over everything:
//
//	0   CRC-32C of what follows
//	4   tag of the store
//	8   lap
//	16  number of the sector in its segment
//	20  octets of the payload that are used
//	22  flags
//	24  payload
const (
	sectorSize  = 512
	sectorHead  = 24
	payloadSize = sectorSize - sectorHead

	// pageSize is what a batch begins and ends at. The system writes whole pages, and a disk
	// of larger sectors may damage one that it writes: what was synced is never written again.
	pageSize = 4096
)

// Flags of a sector. One without any is a middle part of a batch, or fills a page.
const (
	flagFirst = 1 << iota // a batch begins here
	flagLast              // and ends here
	flagFill              // nothing stands here
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sector is what one says.
type sector struct {
	lap     uint64
	flags   uint16
	payload []byte
}

// seal writes the header of a sector whose payload is in its place.
func seal(b []byte, tag uint32, lap uint64, number uint32, used int, flags uint16) {
	binary.BigEndian.PutUint32(b[4:], tag)
	binary.BigEndian.PutUint64(b[8:], lap)
	binary.BigEndian.PutUint32(b[16:], number)
	binary.BigEndian.PutUint16(b[20:], uint16(used))
	binary.BigEndian.PutUint16(b[22:], flags)
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:sectorSize], castagnoli))
}

var (
	errDamaged = errors.New("a sector is damaged")
	errForeign = errors.New("it is that of another store")
)

// open reads a sector. One that was never written is of lap 0.
func open(b []byte, tag uint32, number uint32) (s sector, err error) {
	if blank(b) {
		return sector{}, nil
	}
	if binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:sectorSize], castagnoli) {
		return s, errDamaged
	}
	s.lap, s.flags = binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint16(b[22:])
	used := int(binary.BigEndian.Uint16(b[20:]))
	switch {
	case binary.BigEndian.Uint32(b[4:]) != tag:
		return s, errForeign
	case binary.BigEndian.Uint32(b[16:]) != number || used > payloadSize || s.lap == 0:
		return s, errDamaged
	}
	s.payload = b[sectorHead : sectorHead+used]
	return s, nil
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
