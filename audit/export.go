package audit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// ExportOptions choose what an export holds.
type ExportOptions struct {
	Openings bool      // personal data that has not been erased
	Since    time.Time // only entries from then on; such an export does not begin its chains
}

// How much one snapshot reads: a slow reader must keep neither a transaction
// open nor much in memory.
const (
	pageEntries = 500
	pageSize    = 1 << 20
)

// Export writes the log as JSON lines, chain after chain, each in its order:
//
//	{"hash":"<hex>","leaf":"<the leaf>","open":{"<field>":{"salt":"…","value":"…"}}}
//
// What is appended while it runs may or may not be in it; what is in it is
// always the whole chain up to some entry.
func (l *Log) Export(ctx context.Context, db store.Store, w io.Writer, o ExportOptions) error {
	out := bufio.NewWriter(w)
	for r := store.Prefix(entries); ; {
		lines, next, err := readPage(ctx, db, r, o)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("audit: export: %w", err)
			}
		}
		if next == "" {
			break
		}
		r.From = next
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("audit: export: %w", err)
	}
	return nil
}

// readPage reads lines from the start of r and returns where to read on, "" at
// the end.
func readPage(ctx context.Context, db store.Store, r store.Range, o ExportOptions) (lines [][]byte, next string, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		lines, next = nil, "" // the closure may run again
		count, size := 0, 0
		return tx.Scan(r, func(key string, leaf []byte) error {
			if count == pageEntries || size >= pageSize {
				next = key
				return store.Stop
			}
			count++
			e, err := load(tx, key, leaf)
			if err != nil || e.Time().Before(o.Since) {
				return err
			}
			if !o.Openings {
				e.Open = nil
			}
			line := append(e.line(), '\n')
			lines, size = append(lines, line), size+len(line)
			return nil
		})
	})
	return lines, next, err
}
