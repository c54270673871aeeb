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
	"time"

	"github.com/multimail/multimail/internal/store"
)

// Report is what a verification found; with an error, what it found up to there.
type Report struct {
	Chains   []ChainReport `json:"chains"`
	Entries  uint64        `json:"entries"`
	Mails    int           `json:"mails"`              // whose decisions were replayed
	Settings int           `json:"settings,omitempty"` // that were compared with the log
	From     time.Time     `json:"from,omitzero"`
	To       time.Time     `json:"to,omitzero"` // times of the first and the last entry
	Since    time.Time     `json:"since,omitzero"`
	Openings bool          `json:"openings"`
}

// String says in one line what was checked.
func (r Report) String() string {
	count := func(n uint64, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	s := count(uint64(len(r.Chains)), "chain", "chains") + ", " + count(r.Entries, "entry", "entries") + ", " +
		count(uint64(r.Mails), "mail replayed", "mails replayed")
	if r.Settings > 0 {
		s += ", " + count(uint64(r.Settings), "setting compared", "settings compared")
	}
	if r.Entries > 0 {
		s += ", " + r.From.Format(time.RFC3339) + " to " + r.To.Format(time.RFC3339)
	}
	if !r.Since.IsZero() {
		s += ", since " + r.Since.Format(time.RFC3339) + ": what is older was not checked"
	}
	if !r.Openings {
		s += ", without openings"
	}
	return s
}

// ChainReport describes one chain. Size and Root are what to note elsewhere: a
// later export must still hold them.
type ChainReport struct {
	Chain  string `json:"chain"`
	Start  uint64 `json:"start,omitempty"` // entries before the export began
	Size   uint64 `json:"size"`
	Head   Hash   `json:"head"`          // of the newest entry
	Root   Hash   `json:"root,omitzero"` // RFC 6962 tree hash over all entries; none without the beginning
	Erased int    `json:"erased"`        // commitments without an opening: exported without
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

// Options are what a log is held against besides itself.
type Options struct {
	// Known are earlier reports: every one must be passed, with the same root.
	Known []Checkpoint
	// Replay says whether what an entry of kind mail.* records follows from its
	// facts. Nil: the decisions are not replayed.
	Replay func(kind string, facts map[string]string) error
	// Records lists the mails of the store by id, from the one after the given
	// id. Nil: the log alone is checked. Only Log.Verify asks; it needs Replay.
	Records func(tx store.Tx, after string, limit int) ([]Standing, error)
	// Settings are compared with the log. Nil: they are not. Only Log.Verify asks.
	Settings *Settings
}

// Verify checks an export: every leaf has its hash, names the one before it and
// has the next number, every opening fits its commitment and none is gone, every
// mail went the way its facts allow, and the export is whole. It needs neither
// store nor key; its memory grows with the number of mails, not of entries. The
// error, a *Fault unless r failed, names the first line that is wrong.
//
// That somebody wrote the whole log anew cannot be seen in the log alone: for
// that there are Options.Known.
func Verify(r io.Reader, o Options) (Report, error) {
	o.Settings = nil
	v := newVerifier(o)
	if err := v.run(r); err != nil {
		return v.report(), err
	}
	if v.entries == 0 && v.header.Since.IsZero() {
		return v.report(), &Fault{Why: "the export holds no entry"}
	}
	return v.report(), nil
}

// Verify checks the log in a store, against the recorded ends of its chains and
// against the records of its mails and settings.
func (l *Log) Verify(ctx context.Context, db store.Store, o Options) (Report, error) {
	v := newVerifier(o)
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(l.Export(ctx, db, w, ExportOptions{Openings: true}))
	}()
	err := v.run(r)
	r.Close() // ends the export where the check ended
	<-done
	if err == nil {
		err = v.checkEnds(ctx, db)
	}
	if err == nil {
		err = v.checkRecords(ctx, l, db)
	}
	if err == nil {
		err = v.checkSettings(ctx, db)
	}
	return v.report(), err
}

// ends reads the recorded ends of all chains. They are read before the entries:
// what is appended meanwhile only stands behind them.
func ends(ctx context.Context, db store.Store) (known map[string]point, err error) {
	err = db.View(ctx, func(tx store.Tx) (err error) {
		known, err = endsIn(tx)
		return err
	})
	return known, err
}

func endsIn(tx store.Tx) (map[string]point, error) {
	known := map[string]point{}
	err := space.Scan(tx, store.Prefix(heads), func(key string, b []byte) error {
		var h head
		if err := json.Unmarshal(b, &h); err != nil {
			return fmt.Errorf("audit: %s: %w", key, err)
		}
		known[strings.TrimPrefix(key, heads)] = h
		return nil
	})
	return known, err
}

// checkEnds makes sure that each chain that has entries has its end recorded,
// and that there is nothing behind it.
func (v *verifier) checkEnds(ctx context.Context, db store.Store) error {
	return db.View(ctx, func(tx store.Tx) error {
		for _, name := range v.order {
			c := v.chains[name]
			h, err := readHead(tx, name)
			switch {
			case err != nil:
				return err
			case h.Size < c.tree.size:
				return &Fault{Chain: name, Seq: c.tree.size - 1, Why: "it stands behind the recorded end of its chain"}
			case h.Size == c.tree.size && h.Hash != c.head:
				return &Fault{Chain: name, Seq: h.Size - 1, Why: "it is not the recorded end of its chain: it was changed"}
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
	o       Options
	header  *opener // nil: the first line was not read yet
	closed  bool    // the closing line was read
	known   []anchor
	chains  map[string]*chain
	order   []string
	lines   int
	entries uint64
	from,
	to time.Time
	mails    map[string]*standing
	stated   map[string]stated
	settings int // compared
}

func newVerifier(o Options) *verifier {
	v := &verifier{o: o, chains: map[string]*chain{}, mails: map[string]*standing{}, stated: map[string]stated{}}
	for _, k := range o.Known {
		v.known = append(v.known, anchor{chain: k.Chain, size: k.Size, root: &k.Root})
	}
	return v
}

// chain is one chain as far as it was read.
type chain struct {
	name   string
	start  uint64 // entries that the export left out
	head   Hash
	tree   tree
	erased int
	known  []anchor
}

func (v *verifier) run(r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for in.Scan() {
		v.lines++
		if f := v.line(in.Bytes()); f != nil {
			f.Line = v.lines
			return f
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return &Fault{Line: v.lines + 1, Why: fmt.Sprintf("the line is longer than %d octets", maxLine)}
	case err != nil:
		return fmt.Errorf("audit: after line %d: %w", v.lines, err)
	}
	return v.complete()
}

// complete checks what only the end of the export shows.
func (v *verifier) complete() error {
	switch {
	case v.header == nil:
		return &Fault{Why: "there is nothing to check: the export is empty"}
	case !v.closed:
		return &Fault{Why: "the export is incomplete: it has no closing line, so it broke off; export the log again"}
	}
	return v.passed()
}

// line checks one line.
func (v *verifier) line(b []byte) *Fault {
	f, framed, err := frameOf(b)
	switch {
	case broke(b):
		return &Fault{Why: "the export is incomplete: the server could not go on here; export the log again"}
	case err != nil:
		return &Fault{Why: err.Error()}
	case v.header == nil && f.Export == nil:
		return &Fault{Why: "the export has no header line: " +
			"it was made by an older version, or its beginning is missing; export the log again"}
	case v.closed:
		return &Fault{Why: "something stands behind the closing line"}
	case framed:
		return v.frame(f)
	}
	return v.entry(b)
}

// entry checks one entry and adds it to its chain.
func (v *verifier) entry(b []byte) *Fault {
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
	case !p.Kind.Known():
		return fault("the kind %q is unknown", p.Kind)
	}
	if err := v.openings(p, e.Open); err != nil {
		return fault("%s", err)
	}
	if err := v.replay(c, p); err != nil {
		return fault("%s", err)
	}
	e.parsed = p
	v.state(v.stated, e)
	at := e.Time()
	if v.entries == 0 {
		v.from = at
	}
	v.entries++
	v.to = at
	c.erased += len(p.Commit) - len(e.Open)
	c.head = e.Hash
	c.add(e.Hash)
	return c.pass()
}

// openings holds the openings of an entry against its commitments. None may be
// gone, unless the export was made without.
func (v *verifier) openings(p leaf, open map[string]Opening) error {
	for _, field := range slices.Sorted(maps.Keys(open)) {
		if p.Commit[field] != open[field].commitment(field) {
			return fmt.Errorf("%q does not open its commitment: it was changed", field)
		}
	}
	switch {
	case !v.header.Openings && len(open) > 0:
		return errors.New("it has openings, and the export says that it has none")
	case v.header.Openings && len(open) < len(p.Commit):
		return errors.New("an opening is gone")
	}
	return nil
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

// add takes an entry into the chain. Without its beginning it has no tree hash.
func (c *chain) add(h Hash) {
	if c.start > 0 {
		c.tree.size++
		return
	}
	c.tree.add(h)
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
		if k.root != nil && c.start == 0 && *k.root != c.tree.root() {
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
	r := Report{Chains: []ChainReport{}, Entries: v.entries, Mails: len(v.mails), Settings: v.settings,
		From: v.from, To: v.to}
	if v.header != nil {
		r.Since, r.Openings = v.header.Since, v.header.Openings
	}
	for _, name := range v.order {
		c := v.chains[name]
		cr := ChainReport{Chain: name, Start: c.start, Size: c.tree.size, Head: c.head, Erased: c.erased}
		if c.start == 0 {
			cr.Root = c.tree.root()
		}
		r.Chains = append(r.Chains, cr)
	}
	return r
}

// readLine reads one line of an export, however it is spaced and ordered.
func readLine(b []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("not an entry: %w", err)
	}
	err := plain(json.NewDecoder(bytes.NewReader(b)), 1, func(depth int, name string) bool {
		return depth == 2 || depth == 1 && (name == "hash" || name == "leaf" || name == "open") ||
			depth == 3 && (name == "salt" || name == "value")
	})
	if err != nil {
		return e, fmt.Errorf("not an entry: %w", err)
	}
	return e, nil
}

// plain makes sure that a line says nothing twice and nothing else: of two
// "leaf" on one line, one program shows the first and another checks the last.
// The value was read before, so it is not deeper than its type; lists have no place in it.
func plain(d *json.Decoder, depth int, may func(depth int, name string) bool) error {
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
		if !may(depth, name) {
			return fmt.Errorf("%q is not a field of it", name)
		}
		if err := plain(d, depth+1, may); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
