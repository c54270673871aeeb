package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// actorField is the private field that holds the id of an actor who is a person.
const actorField = "actor"

// Opening is the salt and the value behind a commitment. Without the salt
// nobody can try values until one fits, so erasing the opening erases the value.
type Opening struct {
	Salt  string `json:"salt"` // 128 random bits, hex
	Value string `json:"value"`
}

// commitment hashes framed parts, so that no two openings of any two fields
// can be the same octets.
func (o Opening) commitment(field string) string {
	h := sha256.New()
	for _, s := range []string{"multimail-audit-v1", field, o.Salt, o.Value} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// openings are those of one entry, by field.
type openings map[string]Opening

// bytes returns the openings as JSON in the manner of a leaf.
func (o openings) bytes() []byte {
	b := []byte{'{'}
	for i, field := range slices.Sorted(maps.Keys(o)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, field)
		b = appendField(b, `:{"salt":`, o[field].Salt)
		b = appendField(b, `,"value":`, o[field].Value)
		b = append(b, '}')
	}
	return append(b, '}')
}

// commit makes the commitments for private data and their openings. Empty
// values say nothing and are left out.
func commit(private map[string]string) (map[string]string, openings) {
	var c map[string]string
	var open openings
	for field, value := range private {
		c, open = commitTo(c, open, field, value)
	}
	return c, open
}

func commitTo(c map[string]string, open openings, field, value string) (map[string]string, openings) {
	if value == "" {
		return c, open
	}
	if c == nil {
		c, open = map[string]string{}, openings{}
	}
	// JSON cannot hold octets that are not UTF-8; the commitment must be to
	// what a reader of the opening will see.
	o := Opening{Salt: random(), Value: strings.ToValidUTF8(value, "\uFFFD")}
	c[field], open[field] = o.commitment(field), o
	return c, open
}

// random returns 128 random bits in hex.
func random() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
