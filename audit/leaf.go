package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"

	"golang.org/x/mod/sumdb/tlog"
)

// version is the format of the leaves written here.
const version = 1

// leaf is an entry as it is hashed. The tags serve reading; bytes writes.
type leaf struct {
	V      int               `json:"v"`
	Node   string            `json:"node"`
	Chain  string            `json:"chain"`
	Seq    uint64            `json:"seq"`
	Nonce  string            `json:"nonce"` // 128 random bits, hex: equal records have different hashes
	Time   string            `json:"time"`  // RFC 3339, UTC
	Prev   Hash              `json:"prev"`  // zero for the first
	Kind   Kind              `json:"kind"`
	Mail   string            `json:"mail"`
	Rev    int               `json:"rev"`
	Digest string            `json:"digest"`
	Actor  Actor             `json:"actor"`
	Facts  map[string]string `json:"facts"`
	Commit map[string]string `json:"commit"` // field → commitment, hex
}

// bytes returns the one form of the leaf: the fields in this order, those that
// say nothing left out, names sorted, no blanks. It is written by hand because
// it is hashed: the escapes of encoding/json have changed between releases.
func (e leaf) bytes() []byte {
	b := make([]byte, 0, 1024)
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, int64(e.V), 10)
	b = appendField(b, `,"node":`, e.Node)
	b = appendField(b, `,"chain":`, e.Chain)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, e.Seq, 10)
	b = appendField(b, `,"nonce":`, e.Nonce)
	b = appendField(b, `,"time":`, e.Time)
	b = appendField(b, `,"prev":`, e.Prev.String())
	b = appendField(b, `,"kind":`, string(e.Kind))
	if e.Mail != "" {
		b = appendField(b, `,"mail":`, e.Mail)
	}
	if e.Rev != 0 {
		b = append(b, `,"rev":`...)
		b = strconv.AppendInt(b, int64(e.Rev), 10)
	}
	if e.Digest != "" {
		b = appendField(b, `,"digest":`, e.Digest)
	}
	b = appendField(b, `,"actor":{"kind":`, e.Actor.Kind)
	if e.Actor.ID != "" {
		b = appendField(b, `,"id":`, e.Actor.ID)
	}
	b = append(b, '}')
	b = appendMap(b, `,"facts":{`, e.Facts)
	b = appendMap(b, `,"commit":{`, e.Commit)
	return append(b, '}')
}

func appendField(b []byte, name, value string) []byte {
	return appendString(append(b, name...), value)
}

func appendMap(b []byte, name string, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	b = append(b, name...)
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = appendString(append(b, ':'), m[k])
	}
	return append(b, '}')
}

// appendString writes a JSON string in visible ASCII and spaces. So no reader
// can take a part of it for the end of the line (LF, but also U+0085 and U+2028
// are that for some), and no change of encoding can touch it. Octets that are
// not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r <= 0xffff:
			b = appendEscape(b, r)
		default:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		}
	}
	return append(b, '"')
}

func appendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// parse reads the bytes of a leaf. A leaf that bytes would have written in any
// other way is refused: two readers could read two different things in it.
func parse(line string) (leaf, error) {
	var e leaf
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return e, fmt.Errorf("the leaf is not one: %w", err)
	}
	if e.V != version {
		return e, fmt.Errorf("the leaf has format %d; this program reads format %d", e.V, version)
	}
	if string(e.bytes()) != line {
		return e, errors.New("the leaf is not in its one form")
	}
	if !isName(e.Chain) {
		return e, fmt.Errorf("%q cannot name a chain", e.Chain)
	}
	if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil {
		return e, fmt.Errorf("the time of the leaf is not one: %w", err)
	}
	return e, nil
}

func hashOf(line string) Hash { return Hash(tlog.RecordHash([]byte(line))) }
