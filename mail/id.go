package mail

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// ID names one mail for ever: a ULID (26 characters, Crockford base 32), sorted
// by time of submission. Ids are never reused, so a decision can never hit
// another mail than the one it was made for.
type ID string

// NewID returns a fresh ID whose time part is now.
func NewID(now time.Time) ID {
	return ID(ulid.MustNew(ulid.Timestamp(now), rand.Reader).String())
}

// IDAfter returns a fresh ID that sorts after id, as close to now as that lets it be.
func IDAfter(id ID, now time.Time) ID {
	if fresh := NewID(now); fresh > id {
		return fresh
	}
	u, err := ulid.ParseStrict(string(id))
	if err != nil {
		return NewID(now)
	}
	for i := len(u) - 1; i >= 0; i-- { // the next number
		if u[i]++; u[i] != 0 {
			break
		}
	}
	return ID(u.String())
}

// FirstID returns what no ID of a mail of that time or later sorts before.
func FirstID(t time.Time) ID {
	var u ulid.ULID
	if ms := t.UnixMilli(); ms > 0 {
		_ = u.SetTime(min(uint64(ms), ulid.MaxTime())) // an error only beyond MaxTime
	}
	return ID(u.String())
}

// ParseID accepts exactly the form NewID writes; anything else is an error.
func ParseID(s string) (ID, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil || u.String() != s {
		return "", fmt.Errorf("mail: %q is not a mail id", s)
	}
	return ID(s), nil
}

// Time is when the ID was made, to the millisecond; the zero time for what is no ID.
func (id ID) Time() time.Time {
	u, err := ulid.ParseStrict(string(id))
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(u.Time()).UTC()
}
