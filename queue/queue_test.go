package queue

import (
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

func TestTimesSortAsKeys(t *testing.T) {
	base := time.UnixMilli(1790000000000)
	var keys []string
	for _, d := range []time.Duration{0, time.Millisecond, time.Second, time.Hour, 1000 * 24 * time.Hour} {
		keys = append(keys, stampTime(base.Add(d)))
		if back, ok := parseStamp(stampTime(base.Add(d))); !ok || !back.Equal(base.Add(d)) {
			t.Errorf("%s became %s", base.Add(d), back)
		}
	}
	if !sort.StringsAreSorted(keys) {
		t.Errorf("%q", keys)
	}
	if stampTime(time.Time{}) != stampTime(time.Unix(0, 0)) {
		t.Error("the zero time does not sort first")
	}
	for _, s := range []string{"", "xyz", "00000000000000000", "-000000000000001"} {
		if _, ok := parseStamp(s); ok {
			t.Errorf("%q is a time", s)
		}
	}
}

func TestGroupsPartMailboxAgentAndDestination(t *testing.T) {
	rcpts := func(list ...string) (out []mail.Rcpt) {
		for _, a := range list {
			standing := mail.Pending
			if strings.HasPrefix(a, "!") {
				a, standing = a[1:], mail.Delivered
			}
			out = append(out, mail.Rcpt{Addr: mail.MustAddress(a), Standing: standing})
		}
		return out
	}
	for _, c := range []struct {
		rcpts []mail.Rcpt
		want  string
	}{
		{rcpts("a@x.test"), "x.test"}, {rcpts("a@x.test", "b@x.test"), "x.test"}, {rcpts("a@x.test", "b@y.test"), "*"},
		{rcpts("!a@x.test", "b@y.test"), "y.test"}, {rcpts("!a@x.test"), ""},
	} {
		m := &mail.Mail{Mailbox: mail.MustAddress("A/b@Example.test"), Agent: "bot", Envelope: mail.Envelope{Rcpts: c.rcpts}}
		if got, want := dueGroup(m), "due/a/b@example.test\x00bot\x00"+c.want+"\x00"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

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
	q := &Queue{o: Options{FirstRetry: time.Minute, MaxRetry: 5 * time.Minute, Jitter: func() float64 { return 0.5 }}}
	want := []time.Duration{66 * time.Second, 132 * time.Second, 264 * time.Second, 330 * time.Second, 330 * time.Second}
	for i, w := range want {
		if got := q.backoff(i + 1); got != w {
			t.Errorf("attempt %d: %s, want %s", i+1, got, w)
		}
	}
	if q.backoff(1<<40) != 330*time.Second {
		t.Error("many attempts overflow")
	}
}

func TestNewNeedsItsRooms(t *testing.T) {
	if _, err := New(nil, nil, nil, nil, Options{}); err == nil {
		t.Error("a queue of nothing")
	}
}
