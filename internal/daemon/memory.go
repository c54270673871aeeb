package daemon

import (
	"runtime/debug"
	"runtime/metrics"
)

// When memory is given back: the daemon has allocated much since the last time,
// and next to nothing for a while. Go itself collects garbage only when more is
// allocated, or after two minutes, and returns pages slowly.
const (
	trimQuiet = 4 << 20  // octets allocated in superviseEvery by a daemon that is idle
	trimBurst = 64 << 20 // octets allocated since memory was given back
)

// trimmer gives memory back to the system after a burst.
type trimmer struct {
	seen    uint64 // octets ever allocated, when it last looked
	trimmed uint64 // the same, when it last gave memory back
}

// step gives memory back when a burst is over, and reports whether it did.
func (t *trimmer) step() bool {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	now := s[0].Value.Uint64()
	idle, burst := now-t.seen < trimQuiet, now-t.trimmed >= trimBurst
	t.seen = now
	if !idle || !burst {
		return false
	}
	debug.FreeOSMemory()
	t.trimmed = now
	return true
}
