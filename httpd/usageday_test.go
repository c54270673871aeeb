package httpd

import (
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

func TestUsageByDaySaysWhatHappenedOnWhichDay(t *testing.T) {
	h := newFixture(t)
	h.approved()
	h.deliver()
	h.clock.Forward(48 * time.Hour)
	h.approved()
	h.held()
	h.deliver()
	u := into[api.Usage](h, h.want(200, "reader", "GET", "/v1/usage?breakdown=daily", ""))
	sums := map[string]int{}
	dates := map[string]bool{}
	for i, d := range u.Data {
		if sums[d.EventType] += d.Count; d.Count < 1 || i > 0 && u.Data[i-1].Date > d.Date {
			t.Errorf("%+v", u.Data)
		}
		dates[d.Date] = true
	}
	if u.EmailsSent != 2 || sums["emails_sent"] != 2 || sums["oversight_actions"] != u.OversightActions ||
		sums["emails_received"] != u.EmailsReceived || len(dates) != 2 || u.Breakdown != "daily" {
		t.Errorf("%+v", u)
	}
	plain := into[api.Usage](h, h.want(200, "reader", "GET", "/v1/usage", ""))
	if plain.Data != nil || plain.EmailsSent != 2 {
		t.Errorf("%+v", plain)
	}
	h.want(400, "reader", "GET", "/v1/usage?breakdown=weekly", "")
}
