package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long an answer is kept, whatever the server says. A key that was revoked
// is known as such an hour later at most.
const (
	minAge   = 5 * time.Minute
	maxKept  = time.Hour
	maxNoDoc = 5 * time.Minute // that there is no document
	maxNoWay = time.Minute     // that the server cannot be reached
)

// The bounds of a cache.
const (
	maxEntries = 1024
	maxOctets  = 16 << 20
	maxAtOnce  = 8 // requests at the same time
	// maxTurn is how long a request waits for its turn: strangers may have more domains
	// asked than there are turns, and what waited for ever would pile up.
	maxTurn = 10 * time.Second
)

// Cache keeps documents, and failures for a shorter time, and makes one request
// for all who ask for a domain at the same time.
type Cache struct {
	get func(ctx context.Context, domain string) (Document, error)
	now func() time.Time

	slots   chan struct{}
	mu      sync.Mutex
	entries map[string]*entry // guarded by mu
	octets  int               // of the documents in entries; guarded by mu
}

// entry is the answer of one domain. Its fields below done are written before
// done is closed.
type entry struct {
	done  chan struct{}
	at    time.Time // of the answer
	until time.Time
	doc   []byte
	err   error
}

// NewCache returns a cache of what c fetches; now is the clock, nil for the
// system's.
func NewCache(c *Client, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	return &Cache{get: c.Document, now: now, slots: make(chan struct{}, maxAtOnce), entries: map[string]*entry{}}
}

// Document returns the document of a domain. One that does not name kid is
// fetched anew, five minutes after the last time at the earliest: the domain may
// have begun to use another key.
func (c *Cache) Document(ctx context.Context, domain, kid string) ([]byte, error) {
	e, mine := c.entry(domain, kid)
	if mine {
		// The request is also that of others who wait, and goes on without this caller.
		go c.fill(context.WithoutCancel(ctx), domain, e)
	}
	select {
	case <-e.done:
		return e.doc, e.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Fresh reports whether Document would answer without a request.
func (c *Cache) Fresh(domain, kid string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[domain]
	return e != nil && !c.stale(e, kid)
}

// entry returns the entry of a domain, and whether the caller has to fill it.
func (c *Cache) entry(domain, kid string) (e *entry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[domain]; e != nil && !c.stale(e, kid) {
		return e, false
	}
	c.remove(domain)
	for len(c.entries) >= maxEntries || c.octets > maxOctets {
		c.remove(c.oldest())
	}
	e = &entry{done: make(chan struct{})}
	c.entries[domain] = e
	return e, true
}

// stale reports whether an entry must be fetched anew. One that is being
// fetched never is.
func (c *Cache) stale(e *entry, kid string) bool {
	select {
	case <-e.done:
	default:
		return false
	}
	now := c.now()
	unknown := e.err == nil && !bytes.Contains(e.doc, []byte(`"`+kid+`"`))
	return !now.Before(e.until) || unknown && now.Sub(e.at) >= minAge
}

func (c *Cache) fill(ctx context.Context, domain string, e *entry) {
	doc, err := c.inTurn(ctx, domain)
	c.mu.Lock()
	defer c.mu.Unlock()
	e.at, e.doc, e.err = c.now(), doc.Body, err
	switch {
	case errors.Is(err, ErrBusy): // nobody was asked: there is nothing to keep
		e.until = e.at
	case err == nil:
		e.until = e.at.Add(min(max(doc.MaxAge, minAge), maxKept))
	case errors.Is(err, ErrUnreachable):
		e.until = e.at.Add(maxNoWay)
	default:
		e.until = e.at.Add(maxNoDoc)
	}
	if c.entries[domain] == e { // it may have been the oldest meanwhile
		c.octets += len(e.doc)
	}
	close(e.done)
}

// inTurn makes the request when it is its turn, or ends with ErrBusy.
func (c *Cache) inTurn(ctx context.Context, domain string) (Document, error) {
	turn := time.NewTimer(maxTurn)
	defer turn.Stop()
	select {
	case c.slots <- struct{}{}:
	case <-turn.C:
		return Document{}, fmt.Errorf("%.253s %w", domain, ErrBusy)
	}
	defer func() { <-c.slots }()
	return c.get(ctx, domain)
}

// remove forgets a domain.
func (c *Cache) remove(domain string) {
	e := c.entries[domain]
	if e == nil {
		return
	}
	select {
	case <-e.done:
		c.octets -= len(e.doc)
	default: // not counted yet, and never will be
	}
	delete(c.entries, domain)
}

// oldest returns the domain whose answer came first. One that is being fetched
// is older than none.
func (c *Cache) oldest() string {
	var name string
	var first *entry
	for n, e := range c.entries {
		switch {
		case first == nil, c.before(e, first):
			name, first = n, e
		}
	}
	return name
}

// before compares the times of answers; an open request comes last.
func (c *Cache) before(a, b *entry) bool {
	select {
	case <-a.done:
	default:
		return false
	}
	select {
	case <-b.done:
	default:
		return true
	}
	return a.at.Before(b.at)
}
