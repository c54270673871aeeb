// Package throttle holds what the doors share to bound what agents, and clients
// without a login, can cause: failed logins, and octets of messages in memory.
//
//	logins := throttle.NewLogins(10, 10, time.Now)
//	if wait := logins.Wait(remote); wait > 0 { … } // refuse unread
//	if wrong { over := logins.Failed(remote, user) … }
package throttle

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Source returns what a limit per source counts a host by: an IPv4 address, or
// the /64 of an IPv6 address, which is the least that one site is given
// (RFC 6177). limited is false for a loopback address: on the machine itself
// all programs share one address.
func Source(host string) (key string, limited bool) {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host, true
	}
	if a = a.Unmap().WithZone(""); a.IsLoopback() {
		return a.String(), false
	}
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String(), true
	}
	return a.String(), true
}

// Network is what a provider gives to one customer, as far as an address tells: of IPv6 the /48,
// of which many sources can come, else the address itself.
func Network(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		return netip.PrefixFrom(a, 48).Masked().String()
	}
	return a.String()
}

// window is the time the limits of Logins are for.
const window = time.Minute

// Logins counts failed logins over all connections and doors, by source and by
// account. Each key has a budget of failures that a minute refills evenly.
//
// The rule for doors: a source over its limit is refused before its credential
// is looked at ([Logins.Wait]). An account over its limit still takes the right
// credential, from any source that is not over its own limit: whoever guesses
// at it cannot lock its owner out. Only wrong ones are answered otherwise: try
// later, and the connection ends.
//
// Memory is fixed. A key that is new takes the place of the key with the fewest
// failures among eight, so that a guesser is forgotten only when seven others
// of its set failed as often: for a chance at that, every place of the table.
type Logins struct {
	now      func() time.Time
	sources  table
	accounts table
}

// NewLogins returns a Logins that lets so many failures a minute pass; now is
// the clock, nil for the system's.
func NewLogins(perSource, perAccount int, now func() time.Time) *Logins {
	if now == nil {
		now = time.Now
	}
	return &Logins{now: now, sources: newTable(perSource), accounts: newTable(perAccount)}
}

// Wait returns how long a login from this host must wait before it is looked
// at; zero means that it may be.
func (l *Logins) Wait(host string) time.Duration {
	key, limited := Source(host)
	if !limited {
		return 0
	}
	return l.sources.wait(key, l.now())
}

// Over says which limits a failed login is beyond.
type Over struct{ Source, Account bool }

// Failed counts a failed login. The account is the name the client gave; an
// empty one, as of an API key that names nobody, is not counted.
func (l *Logins) Failed(host, account string) (over Over) {
	now := l.now()
	if key, limited := Source(host); limited {
		over.Source = !l.sources.charge(key, now)
	}
	if account != "" {
		over.Account = !l.accounts.charge(strings.ToLower(account), now)
	}
	return over
}

// A table has sets of eight places; a key may stand in one set only.
const (
	sets   = 1 << 13
	places = 8
)

// table is a fixed number of budgets, found by the hash of their key.
type table struct {
	seed  maphash.Seed // a client cannot aim at a set
	slot  time.Duration
	mu    sync.Mutex
	place [][places]place // guarded by mu
}

// place is one budget: used up to the share of the window that lies ahead.
type place struct {
	key   uint64
	until int64 // when the whole budget is back, in nanoseconds of the clock
}

func newTable(limit int) table {
	return table{seed: maphash.MakeSeed(), slot: window / time.Duration(max(limit, 1)),
		place: make([][places]place, sets)}
}

// find returns the place of a key: its own, or the one it would take.
func (t *table) find(key string) (p *place, h uint64) {
	h = maphash.String(t.seed, key)
	set := &t.place[h%sets]
	least := &set[0]
	for i := range set {
		if set[i].key == h {
			return &set[i], h
		}
		if set[i].until < least.until {
			least = &set[i]
		}
	}
	return least, h
}

// wait returns how long until the budget of key has a failure left.
func (t *table) wait(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, h := t.find(key)
	if p.key != h {
		return 0
	}
	p.clamp(now)
	return t.ahead(p, now)
}

// clamp keeps a clock that was set back from making anybody wait for longer
// than the window.
func (p *place) clamp(now time.Time) { p.until = min(p.until, now.UnixNano()+int64(window)) }

func (t *table) ahead(p *place, now time.Time) time.Duration {
	return max(0, time.Duration(p.until-now.UnixNano())+t.slot-window)
}

// charge takes one failure from the budget of key. It reports false, and takes
// nothing, when none is left.
func (t *table) charge(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, h := t.find(key)
	if p.key != h {
		*p = place{key: h}
	}
	p.until = max(p.until, now.UnixNano())
	p.clamp(now)
	if t.ahead(p, now) > 0 {
		return false
	}
	p.until += int64(t.slot)
	return true
}
