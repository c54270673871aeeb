package daemon

import (
	"context"
	"time"
)

// superviseEvery is how often the clock and the memory of the process are
// looked at. The clock: to record a change, not to act on it, which happens at
// each reading.
const superviseEvery = 10 * time.Second

// supervise looks at the clock and at the memory until ctx ends.
func (d *Daemon) supervise(ctx context.Context) {
	var memory trimmer
	tick := time.NewTicker(superviseEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.clock.record(ctx); err != nil && ctx.Err() == nil {
			d.o.Log.Error("clock", "err", err)
		}
		memory.step()
	}
}
