package throttle

import "time"

// Rate counts what may be done a minute, by key: a credential, say. Each key
// has the number of a whole minute at once and gets it back evenly. Memory is
// fixed, as that of Logins.
type Rate struct {
	now func() time.Time
	t   table
}

// NewRate returns a Rate of perMinute; now is the clock, nil for the system's.
func NewRate(perMinute int, now func() time.Time) *Rate {
	if now == nil {
		now = time.Now
	}
	return &Rate{now: now, t: newTable(perMinute)}
}

// Wait returns how long until the budget of key has one again, zero if it has. It takes
// nothing.
func (r *Rate) Wait(key string) time.Duration { return r.t.wait(key, r.now()) }

// Take takes one from the budget of key. When none is left it takes nothing and
// returns how long until there is one again.
func (r *Rate) Take(key string) (wait time.Duration) {
	now := r.now()
	if r.t.charge(key, now) {
		return 0
	}
	return max(r.t.wait(key, now), time.Millisecond)
}
