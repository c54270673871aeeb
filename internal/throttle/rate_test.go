package throttle

import (
	"testing"
	"time"
)

func TestARateGivesAMinutesWorthAndFillsUpEvenly(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := NewRate(60, func() time.Time { return now })
	for i := range 60 {
		if w := r.Take("a"); w != 0 {
			t.Fatalf("number %d must wait %v", i, w)
		}
	}
	if w := r.Take("a"); w <= 0 || w > time.Second {
		t.Errorf("beyond the budget: wait %v", w)
	}
	if w := r.Take("b"); w != 0 {
		t.Errorf("another key waits %v", w)
	}
	now = now.Add(time.Second)
	if w := r.Take("a"); w != 0 {
		t.Errorf("a second later: wait %v", w)
	}
	if w := r.Take("a"); w == 0 {
		t.Error("two a second")
	}
}

func TestWaitingTakesNothing(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := NewRate(1, func() time.Time { return now })
	for range 3 {
		if w := r.Wait("a"); w != 0 {
			t.Fatalf("wait %v before anything was taken", w)
		}
	}
	r.Take("a")
	if w := r.Wait("a"); w != time.Minute {
		t.Errorf("wait %v", w)
	}
	if w := r.Wait("b"); w != 0 {
		t.Errorf("another key waits %v", w)
	}
}
