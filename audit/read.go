package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// Entry is one entry as it is read and exported. Its hash is that of Leaf, to
// the octet. Leaf is a string, JSON inside JSON: a tool that reorders or
// respaces the line around it leaves it as it is.
type Entry struct {
	Hash Hash               `json:"hash"`
	Leaf string             `json:"leaf"`           // the octets that are hashed
	Open map[string]Opening `json:"open,omitempty"` // what has not been erased

	// Damaged: the entry or its openings cannot be read. What could not is left
	// out; a list has it, everything else stops at it.
	Damaged bool `json:"-"`

	parsed leaf
}

// Seq is the place of the entry in its chain, from 0.
func (e Entry) Seq() uint64 { return e.parsed.Seq }

// Chain is the chain of the entry.
func (e Entry) Chain() string { return e.parsed.Chain }

// Prev is the hash of the entry before; zero for the first.
func (e Entry) Prev() Hash { return e.parsed.Prev }

// Time is when it happened, by the store's clock.
func (e Entry) Time() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, e.parsed.Time) // checked when it was read
	return t
}

// Record is what was written, as far as it has not been erased.
func (e Entry) Record() Record {
	p := e.parsed
	r := Record{Kind: p.Kind, Mail: p.Mail, Rev: p.Rev, Digest: p.Digest, Actor: p.Actor,
		Facts: maps.Clone(p.Facts), Private: map[string]string{}}
	for field, o := range e.Open {
		if field == actorField {
			r.Actor.ID = o.Value
		} else {
			r.Private[field] = o.Value
		}
	}
	return r
}

// line is the entry as one line of an export, without its end.
func (e Entry) line() []byte {
	b := appendField(nil, `{"hash":`, e.Hash.String())
	b = appendField(b, `,"leaf":`, e.Leaf)
	if len(e.Open) > 0 {
		b = append(b, `,"open":`...)
		b = append(b, openings(e.Open).bytes()...)
	}
	return append(b, '}')
}

// load reads the entry behind a key of the log.
func load(tx store.Tx, key string, line []byte) (Entry, error) {
	e := Entry{Leaf: string(line)}
	e.Hash = hashOf(e.Leaf)
	at := strings.TrimPrefix(key, entries)
	var err error
	if e.parsed, err = parse(e.Leaf); err != nil {
		return e, fmt.Errorf("audit: entry %s: %w", at, err)
	}
	if place(e.parsed.Chain, e.parsed.Seq) != at {
		return e, fmt.Errorf("audit: entry %s: it belongs to %s", at, place(e.parsed.Chain, e.parsed.Seq))
	}
	b, err := space.Get(tx, opens+at)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return e, nil
	case err == nil:
		err = json.Unmarshal(b, &e.Open)
	}
	if err != nil {
		return e, fmt.Errorf("audit: openings of %s: %w", at, err)
	}
	return e, nil
}

// List returns entries of this node's chain, newest first, older than before;
// before 0 means from the end. The next page begins before the Seq of the last
// entry, and there is none when that is 0. One that cannot be read is listed as
// damaged.
func (l *Log) List(tx store.Tx, before uint64, limit int) ([]Entry, error) {
	r := store.Prefix(entryPrefix(l.node))
	if before > 0 {
		r.To = entryKey(l.node, before)
	}
	r.Reverse = true
	var out []Entry
	err := space.Scan(tx, r, func(key string, line []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		e, err := load(tx, key, line)
		if err != nil {
			e = damaged(e, key)
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// damaged makes of an entry that could not be read, or not in whole, one that a
// list can show: its place is known from its key.
func damaged(e Entry, key string) Entry {
	e.Damaged, e.Open = true, nil
	at := strings.TrimPrefix(key, entries)
	if place(e.parsed.Chain, e.parsed.Seq) == at {
		return e
	}
	e = Entry{Damaged: true}
	if i := strings.LastIndexByte(at, '/'); i >= 0 {
		e.parsed.Chain = at[:i]
		e.parsed.Seq, _ = strconv.ParseUint(at[i+1:], 16, 64) // our own key
	}
	return e
}

// ByMail returns the entries of one mail, oldest first.
func (l *Log) ByMail(tx store.Tx, mail string) ([]Entry, error) {
	if !isName(mail) {
		return nil, nil // no entry could have been written for it
	}
	var out []Entry
	prefix := mailPrefix(mail)
	err := space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
		key = entries + strings.TrimPrefix(key, prefix)
		line, err := space.Get(tx, key)
		if err != nil {
			return fmt.Errorf("audit: entry of %s: %w", mail, err)
		}
		e, err := load(tx, key, line)
		if err != nil {
			return err
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// Chains lists the names of the chains that the log has.
func Chains(tx store.Tx) (names []string, err error) {
	err = space.Scan(tx, store.Prefix(heads), func(key string, _ []byte) error {
		names = append(names, strings.TrimPrefix(key, heads))
		return nil
	})
	return names, err
}

// Size returns how many entries a chain has: the number of the next one.
func Size(tx store.Tx, chain string) (uint64, error) {
	h, err := readHead(tx, chain)
	return h.Size, err
}

// Since returns entries of a chain from a number on, oldest first. One that cannot be read
// is listed as damaged.
func Since(tx store.Tx, chain string, from uint64, limit int) (out []Entry, err error) {
	if !isName(chain) {
		return nil, nil
	}
	r := store.Prefix(entryPrefix(chain))
	r.From = entryKey(chain, from)
	err = space.Scan(tx, r, func(key string, line []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		e, err := load(tx, key, line)
		if err != nil {
			e = damaged(e, key)
		}
		out = append(out, e)
		return nil
	})
	return out, err
}
