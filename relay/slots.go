package relay

import (
	"slices"
	"sync"

	"github.com/multimail/multimail/mail"
)

// slots counts the attempts under way to each destination, so that one dead
// host holds up its own mail and no other.
type slots struct {
	mu    sync.Mutex
	taken map[string]int
	held  map[slot]int  // what each mail still holds of them
	freed chan struct{} // has a value after a mail has given one back before its end
}

func newSlots() slots {
	return slots{taken: map[string]int{}, held: map[slot]int{}, freed: make(chan struct{}, 1)}
}

type slot struct {
	mail        mail.ID
	destination string
}

// Reserve takes a slot for every destination the pending recipients need, or
// none at all when one of them is busy. The destination is the smarthost, or
// else the domain of a recipient. release may be called more than once.
func (c *Client) Reserve(m *mail.Mail) (release func(), ok bool) {
	want := c.destinations(m)
	s := &c.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.free(want) {
		return nil, false
	}
	for _, d := range want {
		s.taken[d]++
		s.held[slot{m.ID, d}]++
	}
	var once sync.Once
	return func() { once.Do(func() { s.free(m.ID, want...) }) }, true
}

// free gives back what the mail still holds of these, and reports whether that
// was anything.
func (s *slots) free(id mail.ID, given ...string) (any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range given {
		k := slot{id, d}
		if s.held[k] == 0 {
			continue
		}
		any = true
		if s.held[k]--; s.held[k] == 0 {
			delete(s.held, k)
		}
		if s.taken[d]--; s.taken[d] == 0 {
			delete(s.taken, d)
		}
	}
	return any
}

// Freed returns a channel that has a value after a slot has become free although
// the mail that held it is still under way to other destinations.
func (c *Client) Freed() <-chan struct{} { return c.slots.freed }

// Free reports whether every destination that the pending recipients need has a
// slot. It takes none.
func (c *Client) Free(m *mail.Mail) bool {
	want := c.destinations(m)
	s := &c.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.free(want)
}

// free asks for one slot of each; the caller holds the lock.
func (c *Client) free(want []string) bool {
	for _, d := range want {
		if c.slots.taken[d] >= c.o.PerDestination {
			return false
		}
	}
	return true
}

// done frees the slot of a destination that has been served.
func (c *Client) done(id mail.ID, destination string) {
	if c.slots.free(id, destination) {
		select {
		case c.slots.freed <- struct{}{}:
		default: // nobody has taken the last one yet
		}
	}
}

func (c *Client) destinations(m *mail.Mail) []string {
	var out []string
	for _, r := range m.Envelope.Rcpts {
		if d := c.destination(r.Addr); r.Standing == mail.Pending && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

func (c *Client) destination(a mail.Address) string {
	if c.o.Smarthost != "" {
		return c.o.Smarthost
	}
	return a.Domain()
}
