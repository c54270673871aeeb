package search

import (
	"testing"
	"time"
)

// flood models mail that comes in for a time, rate a second, and an index that needs cost
// for one. It returns the part of the time that the index worked, and how old a mail
// became at most before it was indexed.
func flood(rate float64, cost, span time.Duration) (share float64, late time.Duration) {
	var now, worked time.Duration
	arrived := func(n int) time.Duration { return time.Duration(float64(n) / rate * float64(time.Second)) }
	for done := 0; now < span; {
		n := 0
		for n < maxBatch && arrived(done+n) <= now {
			n++
		}
		lag := time.Duration(0)
		if n > 0 {
			lag = now - arrived(done)
		}
		took := time.Duration(n) * cost
		late = max(late, lag+took)
		done, worked = done+n, worked+took
		now += max(took+pace(took, lag, true), time.Millisecond)
	}
	return worked.Seconds() / now.Seconds(), late
}

func TestTheIndexGivesWayToMailThatComesInAndStaysBoundedlyLate(t *testing.T) {
	const cost = 400 * time.Microsecond // 2,500 a second
	for name, c := range map[string]struct {
		rate  float64
		span  time.Duration
		share float64       // at most
		late  time.Duration // at most
	}{
		"what a tenth of the time is enough for": {200, time.Hour, 0.1, time.Second},
		"a burst":                                {2000, 5 * time.Second, 0.12, 5 * time.Second},
		"an hour of more":                        {2000, time.Hour, 0.85, maxLag},
	} {
		share, late := flood(c.rate, cost, c.span)
		if share > c.share || late > c.late {
			t.Errorf("%s: the index takes %.2f of the time, want %.2f; it is late by %v, want %v",
				name, share, c.share, late, c.late)
		}
	}
}

func TestTheIndexDoesNotRestWhileNothingComesIn(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Second, maxLag, time.Hour} {
		if got := pace(time.Second, lag, false); got != 0 {
			t.Errorf("after a lag of %v it rests for %v", lag, got)
		}
	}
	for lag, want := range map[time.Duration]time.Duration{
		-time.Hour: 9 * time.Second, 0: 9 * time.Second, maxLag / 2: 4500 * time.Millisecond, maxLag: 0, time.Hour: 0,
	} {
		if got := pace(time.Second, lag, true); got != want {
			t.Errorf("while mail comes in, after a lag of %v it rests for %v, want %v", lag, got, want)
		}
	}
}

func TestAStepSaysForHowLongTheOldestMailHasWaited(t *testing.T) {
	f := build(t)
	f.put(letter{subject: "a"})
	f.put(letter{subject: "b"})
	f.clock.Forward(20 * time.Second)
	for _, want := range []time.Duration{21 * time.Second, 0} {
		if _, err := f.x.step(t.Context()); err != nil || f.x.lag != want {
			t.Fatalf("a lag of %v, %v; want %v", f.x.lag, err, want)
		}
	}
}
