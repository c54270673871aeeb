package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// The lines of an export that are no entries: one before all others, one at
// the end, and in an export since a time one before each chain.
//
//	{"export":{"version":1,"openings":true,"heads":{"node":{"size":6,"hash":"…"}}}}
//	{"begin":{"chain":"node","size":4,"hash":"…"}}
//	{"end":{"entries":6,"chains":{"node":{"size":6,"hash":"…"}}}}

// exportVersion is the format of the exports written here.
const exportVersion = 1

type frame struct {
	Export *opener  `json:"export,omitempty"`
	Begin  *begins  `json:"begin,omitempty"`
	End    *closing `json:"end,omitempty"`
}

// opener says what the export holds, and where the store said that the chains
// ended when it began.
type opener struct {
	Version  int              `json:"version"`
	Openings bool             `json:"openings"`
	Since    time.Time        `json:"since,omitzero"`
	Heads    map[string]point `json:"heads,omitempty"`
}

// begins is where a chain begins in an export that leaves out what is older.
type begins struct {
	Chain string `json:"chain"`
	point
}

// closing shows that an export is whole: without it the export broke off.
type closing struct {
	Entries uint64           `json:"entries"`
	Chains  map[string]point `json:"chains"`
}

// point is a chain at some size: how many entries, and the hash of the last.
type point = head

// line returns the frame as a line of an export.
func (f frame) line() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic("audit: our bug: " + err.Error()) // only numbers, names and hashes
	}
	return append(b, '\n')
}

// frameNames are what a frame may say; the names of chains stand deeper.
var frameNames = map[string]bool{
	"export": true, "version": true, "openings": true, "since": true, "heads": true,
	"begin": true, "chain": true, "size": true, "hash": true, "end": true, "entries": true, "chains": true,
}

// frameOf reads a line that is a frame; ok is false for every other.
func frameOf(b []byte) (f frame, ok bool, err error) {
	if !framed(b) {
		return f, false, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, true, fmt.Errorf("not a line of an export: %w", err)
	}
	if d.More() {
		return f, true, fmt.Errorf("not a line of an export: something follows it")
	}
	err = plain(json.NewDecoder(bytes.NewReader(b)), 1, func(depth int, name string) bool {
		return depth == 3 || frameNames[name]
	})
	if err != nil {
		return f, true, fmt.Errorf("not a line of an export: %w", err)
	}
	return f, true, nil
}

// framed reports whether a line begins as a frame does.
func framed(b []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(b, " \t"), []byte("{"))
	rest = bytes.TrimLeft(rest, " \t")
	for _, name := range []string{`"export"`, `"begin"`, `"end"`} {
		if ok && bytes.HasPrefix(rest, []byte(name)) {
			return true
		}
	}
	return false
}

// broke reports whether a line says that the export could not go on.
func broke(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"error":`)) }

// frame checks a line of the export itself.
func (v *verifier) frame(f frame) *Fault {
	switch {
	case f.Export != nil:
		return v.open(*f.Export)
	case f.Begin != nil:
		return v.beginAt(*f.Begin)
	case f.End != nil:
		return v.close(*f.End)
	}
	return &Fault{Why: "it says nothing"}
}

func (v *verifier) open(h opener) *Fault {
	switch {
	case v.header != nil:
		return &Fault{Why: "a second export begins here: check each by itself"}
	case h.Version != exportVersion:
		return &Fault{Why: fmt.Sprintf("the export has format %d; this program reads format %d", h.Version, exportVersion)}
	case !h.Since.IsZero() && len(v.o.Known) > 0:
		return &Fault{Why: "an export since a time cannot be held against a checkpoint: export the whole log"}
	}
	v.header = &h
	for name, p := range h.Heads {
		if p.Size == 0 {
			return &Fault{Chain: name, Why: "its end is recorded and it has no entry"}
		}
		v.known = append(v.known, anchor{chain: name, size: p.Size, head: &p.Hash})
	}
	return nil
}

// beginAt takes up a chain in its middle.
func (v *verifier) beginAt(p begins) *Fault {
	switch {
	case v.header.Since.IsZero():
		return &Fault{Why: "only an export since a time leaves out the beginning of a chain"}
	case v.chains[p.Chain] != nil:
		return &Fault{Chain: p.Chain, Seq: p.Size, Why: "the chain began before"}
	case len(v.chains) == maxChains || !isName(p.Chain):
		return &Fault{Why: "no such chain"}
	}
	c := v.begin(p.Chain)
	c.start, c.head, c.tree.size = p.Size, p.Hash, p.Size
	return c.pass()
}

// close holds the count and the heads against what was read.
func (v *verifier) close(e closing) *Fault {
	v.closed = true
	if e.Entries != v.entries || len(e.Chains) != len(v.chains) {
		return &Fault{Why: fmt.Sprintf("the export closes with %d entries of %d chains, "+
			"and %d of %d are here: lines are missing", e.Entries, len(e.Chains), v.entries, len(v.chains))}
	}
	for _, name := range v.order {
		c := v.chains[name]
		if p := e.Chains[name]; p.Size != c.tree.size || p.Hash != c.head {
			return &Fault{Chain: name, Seq: c.tree.size,
				Why: fmt.Sprintf("the export closes with another head, at %d entries", p.Size)}
		}
	}
	return nil
}
