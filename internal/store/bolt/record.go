package bolt

import (
	"encoding/binary"
	"errors"
)

// A batch of the journal is an octet of flags and changes, each
//
//	length of the key, key, length of the value and one, value
//
// with lengths as unsigned varints; 0 in place of the second length says that the key was
// deleted. A commit that is larger than a segment is several batches.
const (
	flagBegin = 1 << iota // the first of a commit: what an unfinished one left is void
	flagEnd               // the last of a commit
)

// changeHead is how many octets the lengths of a change take at most.
const changeHead = 2 * binary.MaxVarintLen32

// encode adds changes to b, in their order.
func encode(b []byte, changes []change) []byte {
	for _, c := range changes {
		b = binary.AppendUvarint(b, uint64(len(c.key)))
		b = append(b, c.key...)
		if c.value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.value))+1)
		b = append(b, c.value...)
	}
	return b
}

var errRecord = errors.New("store: a batch of the journal is damaged")

// decode puts changes into a layer. Their values share the octets of b.
func decode(b []byte, into *layer) error {
	for len(b) > 0 {
		key, rest, err := cut(b, 0)
		if err != nil || len(key) < 2 || len(rest) == 0 {
			return errRecord
		}
		if rest[0] == 0 {
			into.Set(string(key), nil)
			b = rest[1:]
			continue
		}
		value, rest, err := cut(rest, 1)
		if err != nil {
			return err
		}
		into.Set(string(key), value)
		b = rest
	}
	return nil
}

// cut takes a length, of which less is no octet, and so many octets.
func cut(b []byte, less uint64) (part, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n < less || n-less > uint64(len(b)-used) {
		return nil, nil, errRecord
	}
	end := used + int(n-less)
	return b[used:end:end], b[end:], nil
}
