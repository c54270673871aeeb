package audit

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the Merkle tree of RFC 6962, section 2.1, over the entries so far. Of
// its nodes only the roots of the complete subtrees are kept, the largest first:
// their number is that of the ones in the size written in binary.
type tree struct {
	size  uint64
	roots []tlog.Hash
}

// add appends a leaf by its hash: each complete subtree to its left that is as
// large as what was made so far joins it.
func (t *tree) add(h Hash) {
	node := tlog.Hash(h)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.roots) - 1
		node = tlog.NodeHash(t.roots[last], node)
		t.roots = t.roots[:last]
	}
	t.roots = append(t.roots, node)
	t.size++
}

// root returns the tree hash over all leaves.
func (t *tree) root() Hash {
	if len(t.roots) == 0 {
		return sha256.Sum256(nil)
	}
	h := t.roots[len(t.roots)-1]
	for i := len(t.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.roots[i], h)
	}
	return Hash(h)
}
