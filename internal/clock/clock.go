// Package clock tells a wall clock that can be trusted from one that was set.
//
// What ends for good by the time of day (a hold that expires, a retry lifetime)
// or leaves by it (scheduled mail) must not do so because somebody, or a time
// server, set the clock wrongly for a moment. So every reading of the wall clock
// is compared with CLOCK_BOOTTIME, which nobody can set and which runs on in
// suspend, unlike Go's monotonic clock. When the two part by more than [MaxJump]
// the wall clock is in doubt, from that very reading on, and the time goes on as
// the boot clock counts it: nothing is stored with a time that nobody believes.
// The wall clock is trusted again after [StableFor] of a stable offset with the
// kernel's clock synchronised (or back
// where it was), or when the operator accepts it.
package clock

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// The bounds of the comparison.
const (
	MaxJump   = time.Minute      // the wall clock may part this far from the boot clock
	StableFor = 10 * time.Minute // the offset must be stable for this long
	wobble    = time.Second      // an offset that moves less than this is stable

	// MaxAway is how long the machine may have been off before a start asks for
	// confirmation: a clock that lost its battery shows a far time as well.
	MaxAway = 7 * 24 * time.Hour
)

// Options are what a clock reads. Nil functions mean those of the machine.
type Options struct {
	Wall   func() time.Time
	Boot   func() time.Duration // since the machine started, suspend included
	Synced func() bool          // the kernel says that its clock is synchronised
	BootID string               // names this run of the machine
	Log    *slog.Logger         // nil means slog.Default
}

// Clock is the wall clock of one daemon, and whether it is trusted.
type Clock struct {
	o Options

	mu     sync.Mutex
	ref    time.Duration // guarded by mu: the offset of wall and boot clock that was trusted last
	doubt  string        // guarded by mu: why it is not trusted, "" if it is
	offset time.Duration // guarded by mu: in doubt, the offset that may become ref
	since  time.Duration // guarded by mu: boot time at which offset was first seen
}

// Mark is a trusted offset, kept in the store from one start to the next.
type Mark struct {
	BootID string        `json:"boot_id"`
	Offset time.Duration `json:"offset"` // wall clock less boot clock, nanoseconds
}

// New returns a clock that trusts what it reads now; see Start.
func New(o Options) *Clock {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Boot == nil {
		o.Boot = boottime
	}
	if o.Synced == nil {
		o.Synced = synced
	}
	if o.BootID == "" {
		o.BootID = bootID()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Clock{o: o}
	c.ref = offsetOf(o.Wall(), o.Boot())
	return c
}

func offsetOf(wall time.Time, boot time.Duration) time.Duration {
	return time.Duration(wall.UnixNano()) - boot
}

// Start compares the clock with what the store knows: the mark of an earlier
// start, zero for none, and the time of the last commit, zero for none.
func (c *Clock) Start(last Mark, commit time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, boot := c.o.Wall(), c.o.Boot()
	switch away := wall.Sub(commit); {
	case last.BootID != "" && last.BootID == c.o.BootID:
		c.ref = last.Offset
		c.compare(wall, boot)
	case commit.IsZero():
	case away < -MaxJump:
		c.ref = offsetOf(commit, boot)
		c.distrust(wall, boot, fmt.Sprintf("it is %s before the last commit", -away.Round(time.Second)))
	case away > MaxAway:
		c.ref = offsetOf(commit, boot)
		c.distrust(wall, boot, fmt.Sprintf("it is %s after the last commit", away.Round(time.Second)))
	}
}

// Now returns the wall clock, or while that is in doubt the time as it would
// have gone on: the trusted offset and the boot clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, boot := c.o.Wall(), c.o.Boot()
	c.compare(wall, boot)
	if c.doubt != "" {
		return time.Unix(0, int64(c.ref+boot))
	}
	return wall
}

// Trusted reports whether what ends or leaves by the time of day may do so. A
// reading that Now returned earlier is covered by a later answer.
func (c *Clock) Trusted() bool {
	c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubt == ""
}

// Doubt says why the clock is not trusted, or "".
func (c *Clock) Doubt() string {
	c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubt
}

// Accept trusts the clock as it is now.
func (c *Clock) Accept() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trust(offsetOf(c.o.Wall(), c.o.Boot()), "accepted")
}

// Mark returns the trusted offset; ok is false while there is none.
func (c *Clock) Mark() (m Mark, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Mark{BootID: c.o.BootID, Offset: c.ref}, c.doubt == ""
}

// compare judges one reading. The caller holds mu. The reference does not
// follow a trusted clock: many small steps are one large one.
func (c *Clock) compare(wall time.Time, boot time.Duration) {
	offset := offsetOf(wall, boot)
	back := (offset - c.ref).Abs() <= MaxJump
	if c.doubt == "" {
		if !back {
			c.distrust(wall, boot, fmt.Sprintf("it jumped by %s", (offset-c.ref).Round(time.Second)))
		}
		return
	}
	if (offset - c.offset).Abs() > wobble {
		c.offset, c.since = offset, boot
		return
	}
	if boot-c.since >= StableFor && (back || c.o.Synced()) {
		c.trust(offset, "stable")
	}
}

func (c *Clock) distrust(wall time.Time, boot time.Duration, why string) {
	c.doubt, c.offset, c.since = why, offsetOf(wall, boot), boot
	c.o.Log.Error("clock in doubt: no hold expires, no scheduled mail leaves, no retry ends",
		"why", why, "now", wall.UTC().Format(time.RFC3339))
}

func (c *Clock) trust(offset time.Duration, why string) {
	if c.doubt != "" {
		c.o.Log.Warn("clock trusted again", "why", why, "moved", (offset - c.ref).Round(time.Second).String())
	}
	c.ref, c.doubt = offset, ""
}
