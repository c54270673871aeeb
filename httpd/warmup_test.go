package httpd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/systemtest"
)

// The members are those of the public reference, and a client learns when the day is over.
func TestAMailBeyondTheWarmUpIsAnsweredWithWhatIsLeftOfTheDay(t *testing.T) {
	h := newFixtureWith(t, systemtest.NewClock(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), 0), func(h *fixture) {
		h.Gate = h.NewGate(h.DB, gate.Options{Filter: h.judge, Bounces: bounce.New("bounce"), WarmUp: true})
	})
	to := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%q", fmt.Sprintf("a%d@b.example", i)))
		}
		return `{"to":[` + strings.Join(list, ",") + `],"subject":"Hello","markdown":"Good morning."}`
	}
	for _, c := range []struct{ before, more int }{{0, 51}, {50, 1}} {
		if c.before > 0 {
			h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send", to(c.before))
		}
		body := to(c.more - 1)
		if c.more == 1 {
			body = strings.Replace(body, `"to":[]`, `"to":["b@b.example"]`, 1)
		} else { // a list has 50 at most
			body = strings.Replace(body, `{"to"`, `{"cc":["b@b.example"],"to"`, 1)
		}
		r := h.want(429, "sender", "POST", "/v1/send", body)
		e := into[api.Error](h, r)
		if e.Code != "warm_up" || e.Stage != 1 || e.Limit != 50 || e.Sent == nil || *e.Sent != c.before || e.Hint == "" ||
			r.header.Get("Retry-After") != "75600" {
			t.Errorf("after %d recipients: %s, Retry-After %q", c.before, r.body, r.header.Get("Retry-After"))
		}
	}
	h.clock.Forward(21 * time.Hour)
	h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send", to(50))
}
