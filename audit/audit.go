// Package audit is the log that cannot be changed unnoticed: in its hash chain every
// change of a mail, of policy and of credentials has its entry, written in the
// transaction of the change itself.
//
// An entry is a leaf: one line of JSON with everything that is not personal. Its
// hash is that of RFC 6962, so tree heads and inclusion proofs can be made of
// it, and each leaf names the hash of the one before. Personal data (addresses,
// subjects, reasons, IP addresses, the names of approvers) is in a leaf only as a
// salted commitment; the openings are kept beside the chain, which holds without
// them.
//
//	ref, err := log.Append(tx, audit.Record{Kind: audit.MailApprove, Mail: id, …})
//
// A chain alone proves order, not completeness: whoever holds the store can cut
// its tail, or write all of it anew. Note the size and root that [Verify] reports
// somewhere else, and give them to it later as [Options].Known: both then show.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/multimail/multimail/internal/store"
)

// Hash is the RFC 6962 leaf hash of an entry, or a tree hash over many.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes lowercase hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads lowercase hex.
func (h *Hash) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(h) || hex.EncodeToString(raw) != string(b) {
		return fmt.Errorf("audit: %q is not a hash", b)
	}
	copy(h[:], raw)
	return nil
}

// Ref names an entry: its place in its chain, and its hash.
type Ref struct {
	Chain string
	Seq   uint64
	Hash  Hash
}

// String returns the hash in hex.
func (r Ref) String() string { return r.Hash.String() }

// Actor is who did it.
type Actor struct {
	Kind string `json:"kind"`         // agent, approver, admin, socket, system
	ID   string `json:"id,omitempty"` // empty where it is personal: then "actor" is committed
}

// System is the actor of what nobody asked for.
var System = Actor{Kind: "system", ID: "system"}

// personal reports whether the id of such an actor names a person. A kind that
// is not known here counts as one.
func (a Actor) personal() bool { return a.Kind != "agent" && a.Kind != "system" }

// Record is what a package wants written. Which facts and private fields it may
// have is declared with its kind; their values may be anybody's words.
type Record struct {
	Kind    Kind              // one of the kinds of this package
	Mail    string            // id; required for the mail.* kinds
	Rev     int               // of the mail, after the change
	Digest  string            // of the mail
	Actor   Actor             // who did it
	Facts   map[string]string // every input of the decision; never personal
	Private map[string]string // personal data; only its commitments enter the chain
}

// Log is the log of one node.
type Log struct {
	node string
}

// New returns the log of a node. Its name is the name of its chain too; Append
// refuses a name that could not stand in a key.
func New(node string) *Log { return &Log{node: node} }

// maxLine bounds one line of an export, so that whoever verifies can bound its
// memory. A mail with a thousand recipients stays far below.
const maxLine = 8 << 20

// Append writes one entry inside the caller's transaction and says which it is.
// Without the entry there is no change (invariant 2): the caller returns the
// error, and nothing of the transaction remains.
func (l *Log) Append(tx store.Tx, r Record) (Ref, error) {
	if err := l.check(r); err != nil {
		return Ref{}, err
	}
	h, err := l.next(tx)
	if err != nil {
		return Ref{}, err
	}
	e := leaf{V: version, Node: l.node, Chain: l.node, Seq: h.Size, Nonce: random(),
		Time: tx.Now().UTC().Format(time.RFC3339Nano), Prev: h.Hash,
		Kind: r.Kind, Mail: r.Mail, Rev: r.Rev, Digest: r.Digest, Actor: r.Actor, Facts: r.Facts}
	var open openings
	e.Commit, open = commit(cut(r.Private))
	if r.Actor.personal() {
		e.Actor.ID = ""
		e.Commit, open = commitTo(e.Commit, open, actorField, r.Actor.ID)
	}
	line := e.bytes()
	// The line stands in the export as a string: quoting may double it.
	if n := 2*len(line) + len(open.bytes()) + 256; n > maxLine {
		return Ref{}, fmt.Errorf("audit: append %s: an entry of %d octets is too large", r.Kind, n)
	}
	h = head{Size: h.Size + 1, Hash: Hash(tlog.RecordHash(line))}
	if err := write(tx, e, line, open, h); err != nil {
		return Ref{}, fmt.Errorf("audit: append %s: %w", r.Kind, err)
	}
	return Ref{Chain: e.Chain, Seq: e.Seq, Hash: h.Hash}, nil
}

// maxField is how many octets of one private field an entry keeps: what an agent
// or another server says is not copied into the log without end.
const maxField = 8 << 10

// cut shortens what is longer than maxField and says how much there was.
func cut(fields map[string]string) map[string]string {
	out := make(map[string]string, len(fields))
	for name, v := range fields {
		if len(v) > maxField {
			v = strings.ToValidUTF8(v[:maxField], "") + fmt.Sprintf("… [cut, %d octets]", len(v))
		}
		out[name] = v
	}
	return out
}

// check refuses what could not be written so that it is read back as it was,
// and what its kind does not declare.
func (l *Log) check(r Record) error {
	declared, known := rules[r.Kind]
	switch {
	case !isName(l.node):
		return fmt.Errorf("audit: append: %q cannot name a chain", l.node)
	case !known:
		return fmt.Errorf("audit: append: unknown kind %q", r.Kind)
	case r.Mail == "" && r.Kind.Transition():
		return fmt.Errorf("audit: append %s: no mail", r.Kind)
	case r.Mail != "" && !isName(r.Mail):
		return fmt.Errorf("audit: append %s: %q is no mail id", r.Kind, r.Mail)
	}
	if err := declared.check(r); err != nil {
		return fmt.Errorf("audit: append %s: %w", r.Kind, err)
	}
	return nil
}

// next returns the end of the chain, to append behind. An entry is never written over, even
// where the head was lost or set back (invariant 7).
func (l *Log) next(tx store.Tx) (head, error) {
	h, err := readHead(tx, l.node)
	if err != nil {
		return h, err
	}
	behind := store.Prefix(entryPrefix(l.node))
	behind.From = entryKey(l.node, h.Size)
	taken := ""
	err = space.Scan(tx, behind, func(key string, _ []byte) error {
		taken = key
		return store.Stop
	})
	switch {
	case err != nil:
		return h, fmt.Errorf("audit: end of %s: %w", l.node, err)
	case taken != "":
		return h, fmt.Errorf("audit: %s stands behind the end of its chain: the log is damaged", taken)
	}
	return h, nil
}

func write(tx store.Tx, e leaf, line []byte, open openings, h head) error {
	if err := space.Put(tx, entryKey(e.Chain, e.Seq), line); err != nil {
		return err
	}
	if len(open) > 0 {
		if err := space.Put(tx, openKey(e.Chain, e.Seq), open.bytes()); err != nil {
			return err
		}
	}
	if e.Mail != "" {
		if err := space.Put(tx, mailKey(e.Mail, e.Chain, e.Seq), nil); err != nil {
			return err
		}
	}
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return space.Put(tx, headKey(e.Chain), b)
}

// head is the end of a chain.
type head struct {
	Size uint64 `json:"size"`
	Hash Hash   `json:"hash"`
}

func readHead(tx store.Tx, chain string) (h head, err error) {
	b, err := space.Get(tx, headKey(chain))
	if errors.Is(err, store.ErrNotFound) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return h, fmt.Errorf("audit: head of %s: %w", chain, err)
	}
	return h, nil
}

// The keys of the log. Sequence numbers are 16 hex digits, so that they sort.
//
//	audit/<chain>/<seq>               the leaf, to the octet
//	audit-open/<chain>/<seq>          its openings
//	audit-mail/<mail>/<chain>/<seq>   index of the entries of a mail
//	audit-head/<chain>                the end of the chain
const (
	entries = "audit/"
	opens   = "audit-open/"
	mails   = "audit-mail/"
	heads   = "audit-head/"
)

var space = store.NewSpace(entries, opens, mails, heads)

func entryPrefix(chain string) string          { return entries + chain + "/" }
func entryKey(chain string, seq uint64) string { return entries + place(chain, seq) }
func openKey(chain string, seq uint64) string  { return opens + place(chain, seq) }
func headKey(chain string) string              { return heads + chain }
func mailPrefix(mail string) string            { return mails + mail + "/" }

func mailKey(mail, chain string, seq uint64) string { return mailPrefix(mail) + place(chain, seq) }

func place(chain string, seq uint64) string { return fmt.Sprintf("%s/%016x", chain, seq) }

// isName reports whether s can stand between the slashes of a key and name a
// field: short, visible, the same in every encoding.
func isName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 128
}
