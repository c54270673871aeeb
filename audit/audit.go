// Package audit is the record for the judge: a hash-chained log in which every
// change of a mail, of policy and of credentials has its entry, written in the
// transaction of the change itself.
//
// An entry is a leaf: one line of JSON with everything that is not personal. Its
// hash is that of RFC 6962, so tree heads and inclusion proofs can be made of
// it, and each leaf names the hash of the one before. Personal data (addresses,
// subjects, reasons, IP addresses, the names of approvers) stands in a leaf only
// as a salted commitment; the openings stand beside the chain and can be erased
// without breaking it.
//
//	ref, err := log.Append(tx, audit.Record{Kind: audit.MailApprove, Mail: id, …})
//
// A chain alone proves order, not completeness: whoever holds the store can cut
// its tail. Export the log, or note the size and root that [Verify] reports.
package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/multimail/multimail/internal/store"
)

// Hash is the RFC 6962 leaf hash of an entry.
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

// Actor is who did it.
type Actor struct {
	Kind string `json:"kind"`         // agent, approver, admin, socket, system
	ID   string `json:"id,omitempty"` // empty where it is personal: then "actor" is committed
}

// personal reports whether the id of such an actor names a person.
func (a Actor) personal() bool { return a.Kind != "agent" && a.Kind != "system" }

// Record is what a room wants written.
type Record struct {
	Kind    string            // one of the kinds of this package
	Mail    string            // id, for mail.* kinds
	Rev     int               // of the mail, after the change
	Digest  string            // of the mail
	Actor   Actor             //
	Facts   map[string]string // every input of the decision; never personal
	Private map[string]string // personal data; only its commitments enter the chain
}

// leaf is an entry as it is hashed. The order of the fields is part of the format.
type leaf struct {
	V      int               `json:"v"`
	Node   string            `json:"node"`
	Chain  string            `json:"chain"`
	Seq    uint64            `json:"seq"`
	Nonce  string            `json:"nonce"` // 128 random bits: equal records have different hashes
	Time   string            `json:"time"`  // RFC 3339, UTC
	Prev   Hash              `json:"prev"`  // zero for the first
	Kind   string            `json:"kind"`
	Mail   string            `json:"mail,omitempty"`
	Rev    int               `json:"rev,omitempty"`
	Digest string            `json:"digest,omitempty"`
	Actor  Actor             `json:"actor"`
	Facts  map[string]string `json:"facts,omitempty"`
	Commit map[string]string `json:"commit,omitempty"` // field → commitment, hex
}

// Log is the log of one node.
type Log struct {
	node string
}

// New returns the log of a node. Its name is the name of its chain too.
func New(node string) *Log { return &Log{node: node} }

// head is the end of a chain.
type head struct {
	Size uint64 `json:"size"`
	Hash Hash   `json:"hash"`
}

// Append writes one entry inside the caller's transaction and returns its
// hash. Without the entry there is no change: the caller returns the error.
func (l *Log) Append(tx store.Tx, r Record) (Hash, error) {
	if !Known(r.Kind) {
		return Hash{}, fmt.Errorf("audit: unknown kind %q", r.Kind)
	}
	h, err := readHead(tx, l.node)
	if err != nil {
		return Hash{}, err
	}
	e := leaf{V: 1, Node: l.node, Chain: l.node, Seq: h.Size, Nonce: random(16),
		Time: tx.Now().UTC().Format(time.RFC3339Nano), Prev: h.Hash,
		Kind: r.Kind, Mail: r.Mail, Rev: r.Rev, Digest: r.Digest, Actor: r.Actor, Facts: r.Facts}
	private := r.Private
	if r.Actor.personal() {
		e.Actor.ID = ""
		private = withActor(private, r.Actor.ID)
	}
	open := map[string]Opening{}
	e.Commit = map[string]string{}
	for field, value := range private {
		if value == "" {
			continue
		}
		o := Opening{Salt: random(16), Value: value}
		open[field], e.Commit[field] = o, o.commitment(field)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return Hash{}, fmt.Errorf("audit: %w", err)
	}
	h = head{Size: h.Size + 1, Hash: Hash(tlog.RecordHash(line))}
	return h.Hash, l.write(tx, e, line, open, h)
}

func (l *Log) write(tx store.Tx, e leaf, line []byte, open map[string]Opening, h head) error {
	if err := tx.Put(entryKey(e.Chain, e.Seq), line); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if len(open) > 0 {
		b, err := json.Marshal(open)
		if err == nil {
			err = tx.Put(openKey(e.Chain, e.Seq), b)
		}
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	if e.Mail != "" {
		if err := tx.Put(mailKey(e.Mail, e.Chain, e.Seq), nil); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	b, err := json.Marshal(h)
	if err == nil {
		err = tx.Put(headKey(e.Chain), b)
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func withActor(private map[string]string, id string) map[string]string {
	out := map[string]string{"actor": id}
	for k, v := range private {
		out[k] = v
	}
	return out
}

// Head returns how many entries the chain has and the hash of the newest.
func (l *Log) Head(tx store.Tx) (size uint64, hash Hash, err error) {
	h, err := readHead(tx, l.node)
	return h.Size, h.Hash, err
}

func readHead(tx store.Tx, chain string) (h head, err error) {
	b, err := tx.Get(headKey(chain))
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

// Opening is the salt and the value behind a commitment.
type Opening struct {
	Salt  string `json:"salt"` // 128 bits, hex
	Value string `json:"value"`
}

// commitment hashes framed parts, so that no two openings of any two fields
// can be the same octets.
func (o Opening) commitment(field string) string {
	h := sha256.New()
	for _, s := range []string{"multimail-audit-v1", field, o.Salt, o.Value} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// The keys of the log. Sequence numbers are written so that they sort.
//
//	audit/<chain>NUL<seq>           the leaf, to the octet
//	audit-open/<chain>NUL<seq>      its openings
//	audit-mail/<mail>NUL<chain>NUL<seq>   index
//	audit-head/<chain>              the end of the chain
func entryKey(chain string, seq uint64) string { return fmt.Sprintf("audit/%s\x00%016x", chain, seq) }
func openKey(chain string, seq uint64) string {
	return fmt.Sprintf("audit-open/%s\x00%016x", chain, seq)
}
func mailKey(mail, chain string, seq uint64) string {
	return fmt.Sprintf("audit-mail/%s\x00%s\x00%016x", mail, chain, seq)
}
func headKey(chain string) string { return "audit-head/" + chain }
