package metrics

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandlerShowsCountersAndTheStatesOfTheMoment(t *testing.T) {
	m := New()
	held := 0
	m.States(func() map[string]int { return map[string]int{"held": held} })
	m.Submissions.WithLabelValues("smtp", "held").Inc()
	held = 3

	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, _ := io.ReadAll(w.Body)
	for _, want := range []string{
		`mail_submissions_total{door="smtp",verdict="held"} 1`,
		`mail_state_mails{state="held"} 3`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("missing %q in\n%s", want, body)
		}
	}
}
