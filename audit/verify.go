package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/multimail/multimail/internal/store"
)

// Report is what a verification found.
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
	Erased int    `json:"erased"` // commitments without their opening
}

// maxLine bounds one line of an export.
const maxLine = 1 << 20

// Verify checks an export: every leaf has its hash, names the one before it and
// has the next number, and every opening fits its commitment. It needs neither
// store nor key. The error names the first line that is wrong.
func Verify(r io.Reader) (Report, error) {
	v := verifier{chains: map[string]*chain{}}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; in.Scan(); n++ {
		if err := v.line(in.Bytes()); err != nil {
			return v.report(), fmt.Errorf("audit: line %d: %w", n, err)
		}
	}
	if err := in.Err(); err != nil {
		return v.report(), fmt.Errorf("audit: after line %d: %w", v.lines, err)
	}
	return v.report(), nil
}

// Verify checks the log in a store.
func (l *Log) Verify(ctx context.Context, db store.Store) (Report, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.Export(ctx, db, w, ExportOptions{Openings: true})) }()
	report, err := Verify(r)
	return report, errors.Join(err, r.Close())
}

type verifier struct {
	chains map[string]*chain
	order  []string
	lines  int
}

// chain is the state of one chain: its end, and of its tree only the roots of
// the complete subtrees, so that memory does not grow with the log.
type chain struct {
	ChainReport
	subtrees []subtree
}

type subtree struct {
	hash   tlog.Hash
	leaves uint64
}

func (v *verifier) line(b []byte) error {
	v.lines++
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var e Entry
	if err := d.Decode(&e); err != nil {
		return fmt.Errorf("not an entry: %w", err)
	}
	if d.More() {
		return errors.New("more than one entry")
	}
	p, err := parse([]byte(e.Leaf))
	if err != nil {
		return err
	}
	if p.Hash != e.Hash {
		return fmt.Errorf("entry %d: the leaf does not have its hash: it was changed", p.parsed.Seq)
	}
	c := v.chains[p.parsed.Chain]
	if c == nil {
		c = &chain{ChainReport: ChainReport{Chain: p.parsed.Chain}}
		v.chains[c.Chain] = c
		v.order = append(v.order, c.Chain)
	}
	if p.parsed.Seq != c.Size {
		return fmt.Errorf("chain %s: entry %d where %d belongs: entries are missing, repeated or out of order", c.Chain, p.parsed.Seq, c.Size)
	}
	if p.parsed.Prev != c.Head {
		return fmt.Errorf("chain %s: entry %d does not follow the one before it", c.Chain, c.Size)
	}
	if !Known(p.parsed.Kind) {
		return fmt.Errorf("chain %s: entry %d has the unknown kind %q", c.Chain, c.Size, p.parsed.Kind)
	}
	if err := c.openings(p.parsed.Commit, e.Open); err != nil {
		return fmt.Errorf("chain %s: entry %d: %w", c.Chain, c.Size, err)
	}
	c.add(p.Hash)
	return nil
}

// openings checks what is open and counts what is not.
func (c *chain) openings(commit map[string]string, open map[string]Opening) error {
	for field, o := range open {
		if commit[field] != o.commitment(field) {
			return fmt.Errorf("%q does not open its commitment: it was changed", field)
		}
	}
	c.Erased += len(commit) - len(open)
	return nil
}

// add appends a leaf, merging complete subtrees of the same size (RFC 6962, 2.1).
func (c *chain) add(h Hash) {
	c.Size, c.Head = c.Size+1, h
	c.subtrees = append(c.subtrees, subtree{tlog.Hash(h), 1})
	for n := len(c.subtrees); n > 1 && c.subtrees[n-2].leaves == c.subtrees[n-1].leaves; n-- {
		a, b := c.subtrees[n-2], c.subtrees[n-1]
		c.subtrees = append(c.subtrees[:n-2], subtree{tlog.NodeHash(a.hash, b.hash), a.leaves + b.leaves})
	}
}

func (c *chain) root() Hash {
	if len(c.subtrees) == 0 {
		return Hash{}
	}
	h := c.subtrees[len(c.subtrees)-1].hash
	for i := len(c.subtrees) - 2; i >= 0; i-- {
		h = tlog.NodeHash(c.subtrees[i].hash, h)
	}
	return Hash(h)
}

func (v *verifier) report() Report {
	r := Report{Chains: []ChainReport{}}
	for _, name := range v.order {
		c := v.chains[name]
		c.Root = c.root()
		r.Chains = append(r.Chains, c.ChainReport)
	}
	return r
}
