package search

import (
	"fmt"
	"math"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/multimail/multimail/mail"
)

// A place is the number of a mail in the index. FTS5 is quick in the order of these
// numbers only, and lists are newest first, so a newer mail has a smaller one: the
// negative of its time in milliseconds with the first bits of the rest of its id.
const tieBits = 21

// placeOf returns the place of an id. Two mails may have the same one.
func placeOf(id mail.ID) (int64, error) {
	u, err := ulid.ParseStrict(string(id))
	if err != nil {
		return 0, fmt.Errorf("search: %.40q is no id: %w", id, err)
	}
	e := u.Entropy()
	tie := int64(e[0])<<13 | int64(e[1])<<5 | int64(e[2])>>3
	return placeAt(u.Timestamp()) - tie, nil
}

// placeAt returns the place of the oldest mail that was taken at t or later.
func placeAt(t time.Time) int64 {
	return -(min(max(t.UnixMilli(), 0), math.MaxInt64>>tieBits) << tieBits)
}
