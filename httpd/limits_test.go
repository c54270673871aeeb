package httpd

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// reachedLimits returns the counters of limits that are not zero.
func reachedLimits(m *metrics.Metrics) (lines []string) {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "mail_limit_reached_total{") && !strings.HasSuffix(line, " 0\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// Who is stopped by a limit finds it in the metrics: that one, once.
func TestALimitThatIsReachedIsCountedOnce(t *testing.T) {
	send := func(body string) func(*fixture) {
		return func(h *fixture) { h.do("sender", "POST", "/v1/send", body) }
	}
	for _, tt := range []struct {
		limit mail.Limit
		reach func(*fixture)
	}{
		{mail.LimitDraftAddresses, send(edit("to", many(maxList+1)))},
		{mail.LimitDraftAddresses, send(edit("cc", many(maxList+1)))},
		{mail.LimitDraftSubject, send(edit("subject", strings.Repeat("x", 64<<10)))},
		{mail.LimitDraftMarkdown, send(edit("markdown", strings.Repeat("x", maxMarkdown+1)))},
		{mail.LimitDraftAttachments, send(edit("attachments", slices.Repeat(file("a", "AAAA", "text/plain"), maxFiles+1)))},
		{mail.LimitDraftReferences, send(edit("references", slices.Repeat([]string{"<a@b.example>"}, maxReferences+1)))},
		{mail.LimitBodySize, func(h *fixture) {
			h.do("admin", "POST", "/v1/domains", `{"name":"`+strings.Repeat("x", smallBody)+`"}`)
		}},
		{mail.LimitInFlight, func(h *fixture) {
			h.s.o.Messages = throttle.NewBytes(1)
			h.do("sender", "POST", "/v1/send", draft)
		}},
		{mail.LimitRequestRate, func(h *fixture) {
			h.s.rate = throttle.NewRate(1, func() time.Time { return time.Unix(0, 0) })
			h.do("reader", "GET", "/v1/mailboxes", "")
			h.do("reader", "GET", "/v1/mailboxes", "")
		}},
	} {
		h := newFixture(t)
		tt.reach(h)
		want := []string{`mail_limit_reached_total{limit="` + string(tt.limit) + `"} 1`}
		if got := reachedLimits(h.s.o.Metrics); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
