package clock

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// boottime reads CLOCK_BOOTTIME (clock_gettime(2)).
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Since(started)
	}
	return time.Duration(ts.Nano())
}

// staUnsync is STA_UNSYNC of adjtimex(2): no time server disciplines the clock.
const staUnsync = 0x40

func synced() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&staUnsync == 0
}

// bootID names this run of the machine, "" where the kernel does not say.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
