package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/store"
)

// Report is what a verification found; with an error, what it found up to there.
type Report struct {
	Chains []ChainReport `json:"chains"`
}

// ChainReport describes one chain. Size and Root are what to note elsewhere: a
// later export must still hold them.
type ChainReport struct {
	Chain  string `json:"chain"`
	Size   uint64 `json:"size"`
	Head   Hash   `json:"head"`   // of the newest entry
	Root   Hash   `json:"root"`   // RFC 6962 tree hash over all entries
	Erased int    `json:"erased"` // commitments without an opening: erased, or exported without
}

// Checkpoint is what an earlier report said of a chain, kept where nobody who
// can change the log can change it.
type Checkpoint struct {
	Chain string `json:"chain"`
	Size  uint64 `json:"size"`
	Root  Hash   `json:"root"`
}

// Fault is the first thing that is wrong with a log.
type Fault struct {
	Line  int    // of the export, from 1; 0 when what is wrong is its end
	Chain string // "" when the line does not say
	Seq   uint64 // the entry, as its leaf says
	Why   string
}

func (f *Fault) Error() string {
	at := "audit:"
	if f.Line > 0 {
		at += fmt.Sprintf(" line %d:", f.Line)
	}
	if f.Chain != "" {
		at += fmt.Sprintf(" chain %s: entry %d:", f.Chain, f.Seq)
	}
	return at + " " + f.Why
}

// Verify checks an export: every leaf has its hash, names the one before it and
// has the next number, and every opening fits its commitment. It needs neither
// store nor key, and its memory does not grow with the log. The error, a *Fault
// unless r failed, names the first line that is wrong.
//
// That the newest entries are missing, or that somebody wrote the whole log
// anew, cannot be seen in the log alone: see VerifyAgainst.
func Verify(r io.Reader) (Report, error) { return VerifyAgainst(r) }

// VerifyAgainst is Verify, and holds the log against what was known of it
// earlier: every checkpoint must be passed, with the same root.
func VerifyAgainst(r io.Reader, known ...Checkpoint) (Report, error) {
	v := verifier{chains: map[string]*chain{}}
	for i := range known {
		k := known[i]
		v.known = append(v.known, anchor{chain: k.Chain, size: k.Size, root: &k.Root})
	}
	return v.run(r)
}

// Verify checks the log in a store, the recorded ends of its chains included.
func (l *Log) Verify(ctx context.Context, db store.Store) (Report, error) {
	v := verifier{chains: map[string]*chain{}}
	var err error
	if v.known, err = ends(ctx, db); err != nil {
		return v.report(), err
	}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(l.Export(ctx, db, w, ExportOptions{Openings: true}))
	}()
	report, err := v.run(r)
	r.Close() // ends the export where the check ended
	<-done
	if err != nil {
		return report, err
	}
	return report, checkEnds(ctx, db, report)
}

// ends reads the recorded ends of all chains. They are read before the entries:
// what is appended meanwhile only stands behind them.
func ends(ctx context.Context, db store.Store) (known []anchor, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		known = nil
		return tx.Scan(store.Prefix(heads), func(key string, b []byte) error {
			var h head
			if err := json.Unmarshal(b, &h); err != nil {
				return fmt.Errorf("audit: %s: %w", key, err)
			}
			known = append(known, anchor{chain: strings.TrimPrefix(key, heads), size: h.Size, head: &h.Hash})
			return nil
		})
	})
	return known, err
}

// checkEnds makes sure that each chain that has entries has its end recorded,
// and that there is nothing behind it.
func checkEnds(ctx context.Context, db store.Store, r Report) error {
	return db.View(ctx, func(tx store.Tx) error {
		for _, c := range r.Chains {
			h, err := readHead(tx, c.Chain)
			if err != nil {
				return err
			}
			if h.Size < c.Size {
				return &Fault{Chain: c.Chain, Seq: c.Size - 1, Why: "it stands behind the recorded end of its chain"}
			}
		}
		return nil
	})
}

// anchor is what a chain must be when it has a size; what is nil is not known.
type anchor struct {
	chain      string
	size       uint64
	root, head *Hash
}

// maxChains bounds the memory for logs of many nodes.
const maxChains = 4096

type verifier struct {
	known  []anchor
	chains map[string]*chain
	order  []string
	lines  int
}

// chain is one chain as far as it was read.
type chain struct {
	name   string
	head   Hash
	tree   tree
	erased int
	known  []anchor
}

func (v *verifier) run(r io.Reader) (Report, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for in.Scan() {
		v.lines++
		if f := v.line(in.Bytes()); f != nil {
			f.Line = v.lines
			return v.report(), f
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return v.report(), &Fault{Line: v.lines + 1, Why: fmt.Sprintf("the line is longer than %d octets", maxLine)}
	case err != nil:
		return v.report(), fmt.Errorf("audit: after line %d: %w", v.lines, err)
	}
	return v.report(), v.passed()
}

// line checks one line and adds it to its chain.
func (v *verifier) line(b []byte) *Fault {
	e, err := readLine(b)
	if err != nil {
		return &Fault{Why: err.Error()}
	}
	p, err := parse(e.Leaf)
	if err != nil {
		return &Fault{Why: err.Error()}
	}
	fault := func(format string, args ...any) *Fault {
		return &Fault{Chain: p.Chain, Seq: p.Seq, Why: fmt.Sprintf(format, args...)}
	}
	if hashOf(e.Leaf) != e.Hash {
		return fault("the leaf does not have its hash: it was changed")
	}
	c := v.chains[p.Chain]
	if c == nil {
		if len(v.chains) == maxChains {
			return fault("the log has more than %d chains", maxChains)
		}
		c = v.begin(p.Chain)
	}
	switch want := c.tree.size; {
	case p.Seq > want:
		return fault("entry %d belongs here: entries are missing or out of order", want)
	case p.Seq < want:
		return fault("entry %d belongs here: entries are repeated or out of order", want)
	case p.Prev != c.head:
		return fault("it does not follow the one before it: one of the two was changed")
	case !Known(p.Kind):
		return fault("the kind %q is unknown", p.Kind)
	}
	for _, field := range slices.Sorted(maps.Keys(e.Open)) {
		if p.Commit[field] != e.Open[field].commitment(field) {
			return fault("%q does not open its commitment: it was changed", field)
		}
	}
	c.erased += len(p.Commit) - len(e.Open)
	c.head = e.Hash
	c.tree.add(e.Hash)
	return c.pass()
}

func (v *verifier) begin(name string) *chain {
	c := &chain{name: name}
	for _, k := range v.known {
		if k.chain == name {
			c.known = append(c.known, k)
		}
	}
	v.chains[name] = c
	v.order = append(v.order, name)
	return c
}

// pass holds a chain against what is known of it at its present size.
func (c *chain) pass() *Fault {
	for _, k := range c.known {
		if k.size != c.tree.size {
			continue
		}
		if k.head != nil && *k.head != c.head {
			return &Fault{Chain: c.name, Seq: k.size - 1, Why: "it is not the recorded end of its chain: it was changed"}
		}
		if k.root != nil && *k.root != c.tree.root() {
			return &Fault{Chain: c.name, Seq: k.size - 1,
				Why: fmt.Sprintf("the first %d entries are not those of the checkpoint: the log was rewritten", k.size)}
		}
	}
	return nil
}

// passed reports the first known size that a chain has not reached.
func (v *verifier) passed() error {
	for _, k := range v.known {
		var size uint64
		if c := v.chains[k.chain]; c != nil {
			size = c.tree.size
		}
		if size < k.size {
			return &Fault{Chain: k.chain, Seq: size,
				Why: fmt.Sprintf("the chain ends after %d of %d known entries: its tail was cut", size, k.size)}
		}
	}
	return nil
}

func (v *verifier) report() Report {
	r := Report{Chains: []ChainReport{}}
	for _, name := range v.order {
		c := v.chains[name]
		r.Chains = append(r.Chains, ChainReport{Chain: name, Size: c.tree.size, Head: c.head, Root: c.tree.root(), Erased: c.erased})
	}
	return r
}

// readLine reads one line of an export, however it is spaced and ordered.
func readLine(b []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("not an entry: %w", err)
	}
	if err := plain(json.NewDecoder(bytes.NewReader(b)), 1); err != nil {
		return e, fmt.Errorf("not an entry: %w", err)
	}
	return e, nil
}

// plain makes sure that an entry says nothing twice and nothing else: of two
// "leaf" on one line, one program shows the first and another checks the last.
// The value was read before, so it is not deeper than an entry.
func plain(d *json.Decoder, depth int) error {
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if seen[name] {
			return fmt.Errorf("%q stands there twice", name)
		}
		seen[name] = true
		if depth == 1 && name != "hash" && name != "leaf" && name != "open" ||
			depth == 3 && name != "salt" && name != "value" {
			return fmt.Errorf("%q is not a field of it", name)
		}
		if err := plain(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
