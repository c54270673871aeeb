package oauth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxCached is how many accepted tokens are remembered.
const maxCached = 4096

// cache remembers accepted tokens, so that a client that sends one with each
// request costs one signature. Only what was accepted is in it, so that nobody
// without a token can fill it.
type cache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]accepted
}

type accepted struct {
	token          Token
	from, until    time.Time // notBefore and issued, expires: each with skew
	keys           *keys
	keysGeneration int
}

// get returns the token of a hash if it is valid now and its issuer has published
// no other keys since.
func (c *cache) get(id [sha256.Size]byte, now time.Time) (Token, bool) {
	c.mu.Lock()
	e, ok := c.entries[id]
	c.mu.Unlock()
	if !ok {
		return Token{}, false
	}
	_, fresh := e.keys.state()
	if !fresh || e.keys.version() != e.keysGeneration || now.Before(e.from) || !now.Before(e.until) {
		c.mu.Lock()
		delete(c.entries, id)
		c.mu.Unlock()
		return Token{}, false
	}
	return e.token, true
}

func (c *cache) put(id [sha256.Size]byte, e accepted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxCached {
		for old := range c.entries { // any one: the order of a map is random
			delete(c.entries, old)
			break
		}
	}
	c.entries[id] = e
}
