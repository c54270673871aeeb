package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/multimail/multimail/internal/store"
)

// indexBatch is how many entries one transaction of Reindex reads.
const indexBatch = 2000

// Reindex reads every entry and puts back what is missing of the index by mail,
// so that ByMail returns all there is: whoever changes the file of a stopped daemon
// could hide an entry, such as one that made an approval void, by removing its
// place in the index alone. It returns how many places were put back. An entry
// that is missing or cannot be read is an error: then nothing that rests on the
// log can be relied on (invariant 7).
func (l *Log) Reindex(ctx context.Context, db store.Store) (mended int, err error) {
	from := entries
	next := map[string]uint64{} // of each chain
	for from != "" {
		var missing []string
		if missing, from, err = l.unindexed(ctx, db, from, next); err != nil {
			return mended, err
		}
		if len(missing) == 0 {
			continue
		}
		err = db.Update(ctx, func(tx store.Tx) error {
			for _, key := range missing {
				if err := space.Put(tx, key, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return mended, fmt.Errorf("audit: reindex: %w", err)
		}
		mended += len(missing)
	}
	return mended, nil
}

// unindexed returns the index keys that are missing for a batch of entries, and
// the key to go on from, "" at the end.
func (l *Log) unindexed(
	ctx context.Context, db store.Store, from string, next map[string]uint64,
) (missing []string, rest string, err error) {
	counts := map[string]uint64{}
	err = db.View(ctx, func(tx store.Tx) error {
		missing, rest = nil, ""
		for chain, n := range next {
			counts[chain] = n
		}
		r, n := store.Prefix(entries), 0
		r.From = from
		return space.Scan(tx, r, func(key string, line []byte) error {
			if n++; n > indexBatch {
				rest = key
				return store.Stop
			}
			at := strings.TrimPrefix(key, entries)
			chain, _, _ := strings.Cut(at, "/")
			if at != place(chain, counts[chain]) {
				return fmt.Errorf("audit: entry %d of chain %s is missing: run multimail audit verify", counts[chain], chain)
			}
			counts[chain]++
			var leaf struct {
				Mail string `json:"mail"`
			}
			if err := json.Unmarshal(line, &leaf); err != nil {
				return fmt.Errorf("audit: entry %s cannot be read: run multimail audit verify", at)
			}
			if leaf.Mail == "" {
				return nil
			}
			index := mailPrefix(leaf.Mail) + at
			switch _, err := space.Get(tx, index); {
			case errors.Is(err, store.ErrNotFound):
				missing = append(missing, index)
			case err != nil:
				return err
			}
			return nil
		})
	})
	for chain, n := range counts {
		next[chain] = n
	}
	return missing, rest, err
}
