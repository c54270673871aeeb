package clock

import "time"

// started is where the monotonic clock is counted from.
var started = time.Now()
