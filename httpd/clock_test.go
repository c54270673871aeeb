package httpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// doubted is a clock in doubt until it is accepted.
type doubted struct{ why string }

func (d *doubted) Doubt() string { return d.why }
func (d *doubted) Accept()       { d.why = "" }

func TestAClockInDoubtIsShownAndAccepted(t *testing.T) {
	h := newFixture(t)
	clock := &doubted{"it jumped by 1h0m0s"}
	h.s.o.Clock = clock
	if r := h.want(200, "nobody", "GET", "/health", ""); !strings.Contains(r.body, `"clock":"in doubt"`) ||
		strings.Contains(r.body, "jumped") {
		t.Errorf("health says %s", r.body)
	}
	if c := into[api.Clock](h, h.want(200, "watcher", "GET", "/v1/clock", "")); c.Trusted || c.Doubt != clock.why {
		t.Errorf("%+v", c)
	}
	h.want(403, "approver", "POST", "/v1/clock/accept", "")
	h.want(400, "admin", "POST", "/v1/clock/accept", `{"now":true}`)
	if clock.why == "" {
		t.Fatal("accepted by a request that was refused")
	}
	before := len(h.entries())
	if c := into[api.Clock](h, h.want(200, "admin", "POST", "/v1/clock/accept", "")); !c.Trusted || clock.why != "" {
		t.Errorf("%+v", c)
	}
	e := h.entries()
	if len(e) != before+1 || e[0].Kind != "clock.accept" && e[len(e)-1].Kind != "clock.accept" {
		t.Errorf("%d entries", len(e)-before)
	}
	h.want(200, "admin", "POST", "/v1/clock/accept", "") // nothing to accept, nothing to record
	if n := len(h.entries()); n != before+1 {
		t.Errorf("%d entries", n-before)
	}
	if r := h.want(200, "nobody", "GET", "/health", ""); !strings.Contains(r.body, `"clock":"ok"`) {
		t.Errorf("health says %s", r.body)
	}
}
