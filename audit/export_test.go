package audit

import (
	"github.com/multimail/multimail/internal/store"
)

// Kinds lists the vocabulary.
func Kinds() []Kind {
	out := make([]Kind, len(declarations))
	for i, d := range declarations {
		out[i] = d.kind
	}
	return out
}

// Facts lists the facts that every entry of a kind has.
func Facts(k Kind) []string { return rules[k].must }

// Head returns how many entries the chain has and the hash of the newest.
func (l *Log) Head(tx store.Tx) (size uint64, hash Hash, err error) {
	h, err := readHead(tx, l.node)
	return h.Size, h.Hash, err
}

// Commit returns the commitments of the entry by field.
func (e Entry) Commit() map[string]string { return e.parsed.Commit }
