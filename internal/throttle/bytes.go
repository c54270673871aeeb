package throttle

import "sync"

// chunk is the least that a Hold takes at a time.
const chunk = 64 << 10

// Bytes bounds the octets of messages that are in memory at the same time, over
// all connections and doors. One owner may have a quarter of it, or one message:
// who sends slowly on many connections cannot keep the others out.
type Bytes struct {
	max    int64
	parent *Bytes // of which it is a part; nil for none

	mu   sync.Mutex
	used int64
	by   map[string]int64
}

// NewBytes returns a budget of max octets.
func NewBytes(max int64) *Bytes { return &Bytes{max: max, by: map[string]int64{}} }

// Part returns a budget of at most max octets that counts within b as well: its owners
// together cannot take the rest from the owners of b.
func (b *Bytes) Part(max int64) *Bytes { return &Bytes{max: max, parent: b, by: map[string]int64{}} }

// grow takes octets from the whole, whoever they are for.
func (b *Bytes) grow(n int64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.max {
		return false
	}
	b.used += n
	return true
}

// Used returns how many octets are held.
func (b *Bytes) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Hold begins a message of owner. The caller releases it on every path. A Hold
// is for one goroutine; one of a nil budget holds whatever it is asked to.
func (b *Bytes) Hold(owner string) *Hold { return &Hold{b: b, owner: owner} }

// Hold is the share of one message.
type Hold struct {
	b     *Bytes
	owner string
	n     int64
}

// Reach makes the hold at least n octets. It reports false, and takes nothing,
// when there is no room for them now.
func (h *Hold) Reach(n int64) bool {
	if h == nil || h.b == nil || n <= h.n {
		return true
	}
	b := h.b
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min((n+chunk-1)/chunk*chunk, max(n, b.max))
	more, others := n-h.n, b.by[h.owner]-h.n
	if b.used+more > b.max || others > 0 && others+n > b.max/4 {
		return false
	}
	if !b.parent.grow(more) {
		return false
	}
	b.used += more
	b.by[h.owner] += more
	h.n = n
	return true
}

// Release gives everything back. It may be called again.
func (h *Hold) Release() {
	if h == nil || h.b == nil || h.n == 0 {
		return
	}
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.b.parent.grow(-h.n)
	h.b.used -= h.n
	if h.b.by[h.owner] -= h.n; h.b.by[h.owner] <= 0 {
		delete(h.b.by, h.owner)
	}
	h.n = 0
}
