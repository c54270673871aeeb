package delivery

import (
	"strings"
	"testing"
	"time"
)

func TestTurnsBeginBehindTheLast(t *testing.T) {
	list := []string{"a", "b", "c"}
	for last, want := range map[string]string{"": "abc", "a": "bca", "b": "cab", "c": "abc", "bb": "cab"} {
		if got := strings.Join(after(list, last), ""); got != want {
			t.Errorf("after %q: %s, want %s", last, got, want)
		}
	}
	if strings.Join(list, "") != "abc" {
		t.Error("the list itself was turned")
	}
}

func TestBackoffDoublesUpToItsLimitAndJitters(t *testing.T) {
	d := &Delivery{o: Options{FirstRetry: time.Minute, MaxRetry: 5 * time.Minute, Jitter: func() float64 { return 0.5 }}}
	want := []time.Duration{66 * time.Second, 132 * time.Second, 264 * time.Second, 330 * time.Second, 330 * time.Second}
	for i, w := range want {
		if got := d.backoff(i + 1); got != w {
			t.Errorf("attempt %d: %s, want %s", i+1, got, w)
		}
	}
	if d.backoff(1<<40) != 330*time.Second {
		t.Error("many attempts overflow")
	}
}

func TestDeliveryNeedsItsParts(t *testing.T) {
	if _, err := New(nil, nil, nil, nil, nil, Options{}); err == nil {
		t.Error("a delivery without parts")
	}
}

func TestDeliveryNeedsEverySetting(t *testing.T) {
	f := build(t)
	full := f.d.o
	for name, spoil := range map[string]func(*Options){
		"workers": func(o *Options) { o.Workers = 0 }, "lease": func(o *Options) { o.Lease = 0 },
		"first retry": func(o *Options) { o.FirstRetry = 0 }, "longest wait": func(o *Options) { o.MaxRetry = 0 },
	} {
		o := full
		spoil(&o)
		if _, err := New(f.DB, f.Gate, f.Ledger, f.Nodes, open{}, o); err == nil {
			t.Errorf("no error without %s", name)
		}
	}
}
