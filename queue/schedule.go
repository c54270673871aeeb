package queue

import "time"

// backoff returns how long to wait after the n-th attempt (n from 1): doubled
// each time from FirstRetry up to MaxRetry, with up to a fifth of jitter on
// top so that what failed together does not return together.
func (q *Queue) backoff(n int) time.Duration {
	d := q.o.FirstRetry
	for i := 1; i < n && d < q.o.MaxRetry; i++ {
		d *= 2
	}
	d = min(d, q.o.MaxRetry)
	return d + time.Duration(q.o.Jitter()*float64(d)/5)
}
