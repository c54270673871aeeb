package systemtest

import (
	"sync"
	"time"
)

// Clock is a clock that a test sets.
type Clock struct {
	mu   sync.Mutex
	now  time.Time
	tick time.Duration
}

// NewClock returns a clock that stands at now and goes on by tick each time it
// is read, so that what is made one after the other can sort.
func NewClock(now time.Time, tick time.Duration) *Clock { return &Clock{now: now, tick: tick} }

// Now returns the time and lets it go on by a tick.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.tick)
	return c.now
}

// Forward moves the clock; back when d is negative.
func (c *Clock) Forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
