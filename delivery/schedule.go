package delivery

import "time"

// backoff returns how long to wait after the n-th attempt (n from 1): doubled
// each time from FirstRetry up to MaxRetry, with up to a fifth of jitter on
// top so that what failed together does not return together.
func (d *Delivery) backoff(n int) time.Duration {
	wait := d.o.FirstRetry
	for i := 1; i < n && wait < d.o.MaxRetry; i++ {
		wait *= 2
	}
	wait = min(wait, d.o.MaxRetry)
	return wait + time.Duration(d.o.Jitter()*float64(wait)/5)
}
