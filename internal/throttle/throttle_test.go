package throttle

import (
	"fmt"
	"testing"
	"time"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func TestASourceThatGuessesWaitsAndNobodyElse(t *testing.T) {
	c := newClock()
	l := NewLogins(10, 1000, c.now)
	for i := range 10 {
		if w := l.Wait("192.0.2.1"); w != 0 {
			t.Fatalf("failure %d: waits %s", i, w)
		}
		if over := l.Failed("192.0.2.1", fmt.Sprint("user", i)); over != (Over{}) {
			t.Fatalf("failure %d: %+v", i, over)
		}
	}
	if w := l.Wait("192.0.2.1"); w != 6*time.Second {
		t.Errorf("waits %s, want a tenth of the minute", w)
	}
	if over := l.Failed("192.0.2.1", "other"); !over.Source {
		t.Error("the eleventh failure is within the limit")
	}
	if w := l.Wait("192.0.2.2"); w != 0 {
		t.Errorf("its neighbour waits %s", w)
	}
	c.t = c.t.Add(6 * time.Second)
	if w := l.Wait("192.0.2.1"); w != 0 {
		t.Errorf("after six seconds it waits %s", w)
	}
}

func TestSourcesOfOneSiteAreOneAndLoopbackIsNone(t *testing.T) {
	for _, c := range []struct {
		host, key string
		limited   bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", true},
		{"2001:db8:1:2::9", "2001:db8:1:2::/64", true},
		{"fe80::1%eth0", "fe80::/64", true},
		{"pipe", "pipe", true},
		{"", "", true},
		{"127.0.0.1", "127.0.0.1", false},
		{"127.9.9.9", "127.9.9.9", false},
		{"::1", "::1", false},
		{"::ffff:127.0.0.1", "127.0.0.1", false},
	} {
		if key, limited := Source(c.host); key != c.key || limited != c.limited {
			t.Errorf("%q: %q, %v; want %q, %v", c.host, key, limited, c.key, c.limited)
		}
	}
}

// Loopback is exempt from the limit of sources, never from that of accounts.
func TestAnAccountIsLimitedFromEverywhere(t *testing.T) {
	c := newClock()
	l := NewLogins(10, 10, c.now)
	for i := range 10 {
		if over := l.Failed("127.0.0.1", "Demo"); over != (Over{}) {
			t.Fatalf("failure %d: %+v", i, over)
		}
	}
	for _, host := range []string{"127.0.0.1", "192.0.2.7", "2001:db8::1"} {
		if over := l.Failed(host, "dEMO"); over != (Over{Account: true}) {
			t.Errorf("from %s: %+v", host, over)
		}
	}
	if w := l.Wait("127.0.0.1"); w != 0 {
		t.Errorf("loopback waits %s", w)
	}
	if over := l.Failed("127.0.0.1", "other"); over != (Over{}) {
		t.Errorf("another account: %+v", over)
	}
}

// A hundred thousand other sources, each with a few failures, are more than the
// table holds; the guesser stays known.
func TestAFloodOfSourcesDoesNotMakeAGuesserForgotten(t *testing.T) {
	c := newClock()
	l := NewLogins(10, 10, c.now)
	for range 10 {
		l.Failed("192.0.2.1", "")
	}
	before := len(l.sources.place) * places
	for i := range 100_000 {
		for range 3 {
			l.Failed(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff), "")
		}
	}
	if w := l.Wait("192.0.2.1"); w != 6*time.Second {
		t.Errorf("the guesser waits %s", w)
	}
	if n := len(l.sources.place) * places; n != before || n > 1<<16 {
		t.Errorf("the table has %d places", n)
	}
}

// Whoever never failed is not kept out, however full the table is.
func TestAFloodOfSourcesKeepsNobodyOut(t *testing.T) {
	c := newClock()
	l := NewLogins(1, 1, c.now)
	for i := range 100_000 {
		l.Failed(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff), "")
	}
	for i := range 1000 {
		if w := l.Wait(fmt.Sprintf("198.51.100.%d", i)); w != 0 {
			t.Fatalf("waits %s", w)
		}
	}
}

func TestAClockSetBackKeepsNobodyOutForLongerThanTheWindow(t *testing.T) {
	c := newClock()
	l := NewLogins(10, 10, c.now)
	for range 10 {
		l.Failed("192.0.2.1", "")
	}
	c.t = c.t.Add(-24 * time.Hour)
	if w := l.Wait("192.0.2.1"); w != 6*time.Second {
		t.Errorf("waits %s", w)
	}
	c.t = c.t.Add(window)
	if w := l.Wait("192.0.2.1"); w != 0 {
		t.Errorf("waits %s", w)
	}
}
