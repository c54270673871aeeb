package message_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// What a mail may cost when it is read, signed and shown. Linear work on four
// times the octets takes four times as long, quadratic work sixteen times. The
// heap is counted exactly; the CPU of a busy machine is up to twice too slow.
var (
	maxCPU  = [3]float64{1, 6, 10}
	maxHeap = [3]float64{1, 3.7, 7.5}
)

const (
	cpuFloor  = 4 * time.Millisecond
	heapFloor = 1 << 20

	answerFactor = 4
	answerSlack  = 2 << 20
)

// cost is what one mail of a shape takes.
type cost struct {
	octets, answer int
	cpu            time.Duration
	heap           uint64 // octets allocated
}

// The three cost tables of docs/tests.md, as one. A row is a kind of mail, with
// what n, 2n and 4n octets of it cost.
func TestCostGrowsWithTheSizeOfAMailAlone(t *testing.T) {
	stamper := newStamper(t)
	shapes := message.Shapes()
	slices.SortFunc(shapes, func(a, b message.Shape) int { return strings.Compare(a.Name, b.Name) })
	if len(shapes) < 40 {
		t.Fatalf("%d shapes", len(shapes))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-36s %9s | %8s %8s %8s | %8s %8s %8s | %8s %8s %8s\n", "shape", "n octets",
		"CPU n ms", "2n", "4n", "heap KiB", "2n", "4n", "answer", "2n", "4n")
	for _, s := range shapes {
		var jobs [3]job
		for i := range jobs {
			jobs[i] = newJob(t, s, s.Octets<<i, stamper)
		}
		var c [3]cost
		for i := range c {
			c[i] = cost{cpu: time.Hour, heap: 1 << 40}
		}
		why := measure(jobs, &c)
		for range 3 { // something else may have disturbed it
			if why != "" {
				why = measure(jobs, &c)
			}
		}
		if why != "" {
			t.Errorf("%s: %s", s.Name, why)
		}
		table.WriteString(row(s.Name, c))
	}
	t.Logf("%d shapes\n%s", len(shapes), table.String())
}

func row(name string, c [3]cost) string {
	out := fmt.Sprintf("%-36s %9d |", name, c[0].octets)
	for _, x := range c {
		out += fmt.Sprintf(" %8.2f", float64(x.cpu)/1e6)
	}
	out += " |"
	for _, x := range c {
		out += fmt.Sprintf(" %8d", x.heap>>10)
	}
	return out + fmt.Sprintf(" | %8d %8d %8d\n", c[0].answer, c[1].answer, c[2].answer)
}

// job reads, signs and shows one mail, and returns the octets of the mail and
// of the answer.
type job func() (octets, answer int)

func newJob(t *testing.T, s message.Shape, n int, stamper *dkim.Stamper) job {
	if s.Draft != nil {
		d := s.Draft(n)
		return func() (int, int) {
			msg, err := composeAndRead(d)
			if err != nil {
				return len(d.Markdown), 0 // refused, at whatever that cost
			}
			return len(msg.Raw), answer(msg.Raw)
		}
	}
	raw := s.Mail(n)
	return func() (int, int) {
		msg, err := message.Read(raw, options)
		if err == nil && s.Header {
			if _, err := stamper.Stamp(context.Background(), released, append([]byte(identity), msg.Raw...)); err != nil {
				t.Fatal(err)
			}
		}
		return len(raw), answer(raw) // what was stored under older limits is shown too
	}
}

// answer is the size of the review of raw as JSON.
func answer(raw []byte) int {
	b, err := json.Marshal(message.NewReview(raw))
	if err != nil {
		panic(err)
	}
	return len(b)
}

// measure lowers c to what it finds and says what grows faster than the mail.
// The smaller sizes run more often: what disturbs one of them would hide growth.
func measure(jobs [3]job, c *[3]cost) string {
	runtime.LockOSThread() // the clock is that of the thread
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for i, j := range jobs {
		for range len(jobs) - i {
			runtime.GC()
			runtime.GC() // the second empties the pools of encoding/json too
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := threadTime()
			c[i].octets, c[i].answer = j()
			c[i].cpu = min(c[i].cpu, threadTime()-start)
			runtime.ReadMemStats(&after)
			c[i].heap = min(c[i].heap, after.TotalAlloc-before.TotalAlloc)
		}
	}
	for i := range c {
		if r := float64(max(c[i].cpu, cpuFloor)) / float64(max(c[0].cpu, cpuFloor)); r > maxCPU[i] {
			return fmt.Sprintf("%d times the octets take %.1f times the CPU", 1<<i, r)
		}
		if r := float64(max(c[i].heap, heapFloor)) / float64(max(c[0].heap, heapFloor)); r > maxHeap[i] {
			return fmt.Sprintf("%d times the octets take %.1f times the memory", 1<<i, r)
		}
	}
	for _, x := range c {
		if x.answer > answerFactor*x.octets+answerSlack {
			return fmt.Sprintf("%d octets answer %d", x.octets, x.answer)
		}
	}
	return ""
}

// threadTime is the CPU time of this thread: what other programs do at the same
// time is not in it.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

var (
	noon     = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	options  = message.ReadOptions{ID: "01JAAAAAAAAAAAAAAAAAAAAAAA", Now: noon, Host: "mx.a.test"}
	released = &mail.Mail{ID: "01JAAAAAAAAAAAAAAAAAAAAAAA",
		Header: mail.Header{From: mail.MustAddress("bot@a.test")}, Release: &mail.Release{At: noon}}
)

const identity = "X-MultiMail-Identity: eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib3QifQ.c2ln\r\n"

// newStamper signs for a.test.
func newStamper(t *testing.T) *dkim.Stamper {
	t.Helper()
	keys := dkim.OpenKeys(t.TempDir(), dkim.Options{})
	if err := keys.Ensure("a.test"); err != nil {
		t.Fatal(err)
	}
	return dkim.NewStamper(keys)
}
