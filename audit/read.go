package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/multimail/multimail/internal/store"
)

// Entry is one entry as it is read and exported. Its hash is that of Leaf, to
// the octet; the other fields repeat what Leaf says for who only wants to read.
type Entry struct {
	Hash   Hash               `json:"hash"`
	Leaf   string             `json:"leaf"`           // the octets that are hashed, JSON themselves
	Open   map[string]Opening `json:"open,omitempty"` // what has not been erased
	parsed leaf
}

// Seq is the place of the entry in its chain, from 0.
func (e Entry) Seq() uint64 { return e.parsed.Seq }

// Chain is the chain of the entry.
func (e Entry) Chain() string { return e.parsed.Chain }

// Time is when it happened, by the store's clock.
func (e Entry) Time() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, e.parsed.Time) // checked when it was read
	return t
}

// Record is what the room wrote, as far as it has not been erased.
func (e Entry) Record() Record {
	p := e.parsed
	r := Record{Kind: p.Kind, Mail: p.Mail, Rev: p.Rev, Digest: p.Digest, Actor: p.Actor, Facts: p.Facts, Private: map[string]string{}}
	for field, o := range e.Open {
		r.Private[field] = o.Value
	}
	if id, ok := r.Private["actor"]; ok {
		r.Actor.ID = id
		delete(r.Private, "actor")
	}
	return r
}

// parse fills an entry from its leaf.
func parse(line []byte) (Entry, error) {
	e := Entry{Leaf: string(line), Hash: Hash(tlog.RecordHash(line))}
	if err := json.Unmarshal(line, &e.parsed); err != nil {
		return e, fmt.Errorf("audit: leaf: %w", err)
	}
	if _, err := time.Parse(time.RFC3339Nano, e.parsed.Time); err != nil {
		return e, fmt.Errorf("audit: leaf %d: time: %w", e.parsed.Seq, err)
	}
	return e, nil
}

// load reads the entry behind a key of the log.
func load(tx store.Tx, key string, line []byte) (Entry, error) {
	e, err := parse(line)
	if err != nil {
		return e, err
	}
	b, err := tx.Get("audit-open/" + strings.TrimPrefix(key, "audit/"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return e, nil
	case err == nil:
		err = json.Unmarshal(b, &e.Open)
	}
	if err != nil {
		return e, fmt.Errorf("audit: openings of %d: %w", e.parsed.Seq, err)
	}
	return e, nil
}

// List returns entries of this node's chain, newest first, older than before;
// before 0 means from the end.
func (l *Log) List(tx store.Tx, before uint64, limit int) ([]Entry, error) {
	r := store.Prefix("audit/" + l.node + "\x00")
	if before > 0 {
		r.To = entryKey(l.node, before)
	}
	r.Reverse = true
	var out []Entry
	err := tx.Scan(r, func(key string, line []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		e, err := load(tx, key, line)
		out = append(out, e)
		return err
	})
	return out, err
}

// ByMail returns the entries of one mail, oldest first.
func (l *Log) ByMail(tx store.Tx, mail string) ([]Entry, error) {
	var out []Entry
	prefix := "audit-mail/" + mail + "\x00"
	err := tx.Scan(store.Prefix(prefix), func(key string, _ []byte) error {
		k := "audit/" + strings.TrimPrefix(key, prefix)
		line, err := tx.Get(k)
		if err != nil {
			return fmt.Errorf("audit: entry of %s: %w", mail, err)
		}
		e, err := load(tx, k, line)
		out = append(out, e)
		return err
	})
	return out, err
}

// Erase removes the openings of every entry of a mail and returns how many
// entries had some. The chain still verifies; what they said is gone.
func (l *Log) Erase(tx store.Tx, mail string) (int, error) {
	entries, err := l.ByMail(tx, mail)
	n := 0
	for _, e := range entries {
		if err == nil && len(e.Open) > 0 {
			n++
			err = tx.Delete(openKey(e.parsed.Chain, e.parsed.Seq))
		}
	}
	return n, err
}

// ExportOptions choose what an export holds.
type ExportOptions struct {
	Openings bool      // personal data that has not been erased
	Since    time.Time // only entries from then on; such an export does not begin a chain
}

// exportPage is how many entries one snapshot reads: a slow reader must not
// keep a transaction open.
const exportPage = 500

// Export writes the log as JSON lines, each chain in its order.
func (l *Log) Export(ctx context.Context, db store.Store, w io.Writer, o ExportOptions) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	r := store.Prefix("audit/")
	for {
		var page []Entry
		last := ""
		err := db.View(ctx, func(tx store.Tx) error {
			page, last = nil, ""
			return tx.Scan(r, func(key string, line []byte) error {
				if len(page) == exportPage {
					return store.Stop
				}
				e, err := load(tx, key, line)
				page, last = append(page, e), key
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if e.Time().Before(o.Since) {
				continue
			}
			if !o.Openings {
				e.Open = nil
			}
			if err := enc.Encode(e); err != nil {
				return fmt.Errorf("audit: export: %w", err)
			}
		}
		if len(page) < exportPage {
			return out.Flush()
		}
		r.From = last + "\x00"
	}
}
