package mailtest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// Cost is what a piece of work takes. Both are counted for the work alone: the
// CPU time is that of its thread, whatever else the machine does meanwhile.
type Cost struct {
	CPU  time.Duration
	Heap uint64 // octets allocated
}

// Costs are the costs of work on n, 2n and 4n of something.
type Costs [3]Cost

// How much more 2n and 4n may take. Linear work on four times as much takes four
// times as long, quadratic work sixteen times. The heap is counted exactly; the
// CPU of a busy machine is up to twice too slow.
var (
	maxCPU  = [...]float64{1, 6, 10}
	maxHeap = [...]float64{1, 3.7, 7.5}
)

// Below these a cost counts as nothing: clocks are coarse, and pools keep some.
const (
	cpuFloor  = 4 * time.Millisecond
	heapFloor = 1 << 20
)

// rounds is how often work that seems to grow is measured before it is believed:
// something else may have disturbed it.
const rounds = 4

// Grow measures work on n, 2n and 4n of something, keeps the lowest of what it
// finds and says what grows faster than n; "" when nothing does.
func Grow(jobs [3]func()) (c Costs, why string) {
	for i := range c {
		c[i] = Cost{CPU: time.Hour, Heap: 1 << 40}
	}
	for range rounds {
		c.measure(jobs)
		if why = c.growth(); why == "" {
			break
		}
	}
	return c, why
}

// measure lowers c to what it finds. The smaller sizes run more often: what
// disturbs one of them would hide growth.
func (c *Costs) measure(jobs [3]func()) {
	runtime.LockOSThread() // the clock is that of the thread
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for i, job := range jobs {
		for range len(jobs) - i {
			runtime.GC()
			runtime.GC() // the second empties the pools of encoding/json too
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := ThreadTime()
			job()
			c[i].CPU = min(c[i].CPU, ThreadTime()-start)
			runtime.ReadMemStats(&after)
			c[i].Heap = min(c[i].Heap, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

func (c *Costs) growth() string {
	for i := range c {
		if r := float64(max(c[i].CPU, cpuFloor)) / float64(max(c[0].CPU, cpuFloor)); r > maxCPU[i] {
			return fmt.Sprintf("%d times as much takes %.1f times the CPU", 1<<i, r)
		}
		if r := float64(max(c[i].Heap, heapFloor)) / float64(max(c[0].Heap, heapFloor)); r > maxHeap[i] {
			return fmt.Sprintf("%d times as much takes %.1f times the memory", 1<<i, r)
		}
	}
	return ""
}

// ThreadTime is the CPU time of this thread, which must be locked: what other
// programs do at the same time is not in it.
func ThreadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
