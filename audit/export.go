package audit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// ExportOptions choose what an export holds.
type ExportOptions struct {
	Openings bool      // personal data that has not been erased
	Since    time.Time // chains begin with the first entry from then on
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
// A line before says what it holds and where the chains ended when it began,
// and a line at the end says how many entries there are: without it the export
// broke off. What is appended while it runs may or may not be in it; what is in
// it is always the whole chain up to some entry.
func (l *Log) Export(ctx context.Context, db store.Store, w io.Writer, o ExportOptions) error {
	x := exporter{out: bufio.NewWriter(w), o: o, end: closing{Chains: map[string]point{}}}
	recorded, err := ends(ctx, db)
	if err != nil {
		return err
	}
	first := opener{Version: exportVersion, Openings: o.Openings, Since: o.Since.UTC(), Heads: recorded}
	x.write(frame{Export: &first}.line())
	for r := store.Prefix(entries); ; {
		page, next, err := readPage(ctx, db, r)
		if err != nil {
			return err
		}
		for _, e := range page {
			x.entry(e)
		}
		if x.err != nil {
			return fmt.Errorf("audit: export: %w", x.err)
		}
		if next == "" {
			break
		}
		r.From = next
	}
	x.finish()
	x.write(frame{End: &x.end}.line())
	if x.err == nil {
		x.err = x.out.Flush()
	}
	if x.err != nil {
		return fmt.Errorf("audit: export: %w", x.err)
	}
	return nil
}

// exporter writes the lines of an export.
type exporter struct {
	out   *bufio.Writer
	o     ExportOptions
	chain string // the one that is being written
	begun bool   // its first line is written
	end   closing
	err   error
}

func (x *exporter) write(line []byte) {
	if x.err == nil {
		_, x.err = x.out.Write(line)
	}
}

// entry writes an entry, unless it stands before the first that is asked for.
func (x *exporter) entry(e Entry) {
	if e.Chain() != x.chain {
		x.finish()
		x.chain, x.begun = e.Chain(), x.o.Since.IsZero()
	}
	if !x.begun && !e.Time().Before(x.o.Since) {
		x.begin(point{Size: e.Seq(), Hash: e.Prev()})
	}
	x.end.Chains[x.chain] = point{Size: e.Seq() + 1, Hash: e.Hash}
	if !x.begun {
		return
	}
	if !x.o.Openings {
		e.Open = nil
	}
	x.end.Entries++
	x.write(append(e.line(), '\n'))
}

func (x *exporter) begin(at point) {
	x.begun = true
	x.write(frame{Begin: &begins{x.chain, at}}.line())
}

// finish ends a chain: one that has nothing new says so.
func (x *exporter) finish() {
	if x.chain != "" && !x.begun {
		x.begin(x.end.Chains[x.chain])
	}
}

// readPage reads entries from the start of r and returns where to read on, ""
// at the end.
func readPage(ctx context.Context, db store.Store, r store.Range) (page []Entry, next string, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		page, next = nil, "" // the closure may run again
		size := 0
		return space.Scan(tx, r, func(key string, leaf []byte) error {
			if len(page) == pageEntries || size >= pageSize {
				next = key
				return store.Stop
			}
			e, err := load(tx, key, leaf)
			if err != nil {
				return err
			}
			page, size = append(page, e), size+len(e.line())
			return nil
		})
	})
	return page, next, err
}

// Ending watches an export on its way: Whole reports, at its end, whether the
// last line was the closing line. It is an io.Writer.
type Ending struct {
	begin []byte // of the current line, no longer than mark
	last  string // of the last whole line
}

// mark begins the closing line.
const mark = `{"end":`

// Write looks at the beginnings of lines.
func (e *Ending) Write(b []byte) (int, error) {
	for rest := string(b); rest != ""; {
		line, after, whole := strings.Cut(rest, "\n")
		e.begin = append(e.begin, line[:min(len(line), len(mark)-len(e.begin))]...)
		if whole {
			e.last, e.begin = string(e.begin), e.begin[:0]
		}
		rest = after
	}
	return len(b), nil
}

// Whole reports whether the export has its closing line.
func (e *Ending) Whole() bool { return len(e.begin) == 0 && e.last == mark }
