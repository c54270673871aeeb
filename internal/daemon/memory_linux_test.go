//go:build !race

// The race detector keeps memory of its own for every octet this test allocates.

package daemon

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// resident returns the octets of this process that are in memory.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// A burst of large messages is in memory until the daemon is idle, not longer.
func TestMemoryOfABurstIsGivenBackWhenIdle(t *testing.T) {
	var tr trimmer
	tr.step()
	before := resident(t)
	burst := make([][]byte, 10)
	for i := range burst {
		burst[i] = make([]byte, 25<<20)
		for j := 0; j < len(burst[i]); j += 4096 {
			burst[i][j] = 1
		}
	}
	full := resident(t)
	if full < before+200<<20 {
		t.Fatalf("the burst took %d MiB only", (full-before)>>20)
	}
	runtime.KeepAlive(burst)
	if tr.step() {
		t.Error("memory is given back amid a burst")
	}
	if !tr.step() {
		t.Error("nothing is given back by an idle daemon")
	}
	after := resident(t)
	t.Logf("resident: %d MiB before, %d MiB in the burst, %d MiB when idle", before>>20, full>>20, after>>20)
	if after > before+50<<20 {
		t.Errorf("%d MiB more than before the burst are kept", (after-before)>>20)
	}
	if tr.step() {
		t.Error("it is done again without another burst")
	}
}
