package queue

import (
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestTimesSortAsKeys(t *testing.T) {
	base := time.UnixMilli(1790000000000)
	var keys []string
	for _, d := range []time.Duration{0, time.Millisecond, time.Second, time.Hour, 1000 * 24 * time.Hour} {
		keys = append(keys, store.Stamp(base.Add(d)))
		if back, ok := parseStamp(store.Stamp(base.Add(d))); !ok || !back.Equal(base.Add(d)) {
			t.Errorf("%s became %s", base.Add(d), back)
		}
	}
	if !sort.StringsAreSorted(keys) {
		t.Errorf("%q", keys)
	}
	if store.Stamp(time.Time{}) != store.Stamp(time.Unix(0, 0)) {
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
		if got, want := groupOf(m), Group("a/b@example.test\x00bot\x00"+c.want+"\x00"); got != want {
			t.Errorf("%q, want %q", got, want)
		} else if got.Mailbox() != "a/b@example.test" || got.Agent() != "bot" || got.Domain() != c.want {
			t.Errorf("%q is of %q, %q, %q", got, got.Mailbox(), got.Agent(), got.Domain())
		}
	}
}
