package relay

import (
	"slices"
	"sync"

	"github.com/multimail/multimail/mail"
)

// slots counts the attempts under way to each destination, so that one dead
// host holds up its own mail and nobody else's.
type slots struct {
	mu    sync.Mutex
	taken map[string]int
}

// Reserve takes a slot for every destination the pending recipients need, or
// none at all when one of them is busy. The destination is the smarthost, or
// else the domain of a recipient. release may be called more than once.
func (c *Client) Reserve(m *mail.Mail) (release func(), ok bool) {
	want := c.destinations(m)
	s := &c.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range want {
		if s.taken[d] >= c.o.PerDestination {
			return nil, false
		}
	}
	for _, d := range want {
		s.taken[d]++
	}
	var once sync.Once
	return func() { once.Do(func() { s.free(want) }) }, true
}

func (s *slots) free(given []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range given {
		if s.taken[d]--; s.taken[d] == 0 {
			delete(s.taken, d)
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
