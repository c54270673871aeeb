package smtpd

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/metrics"
)

func TestASessionThatEndsForItsErrorsIsCountedOnce(t *testing.T) {
	o := options()
	o.Metrics, o.MaxErrors = metrics.New(), 2
	srv, _ := build(t, o)
	p := dial(t, srv, true).login()
	p.do("RCPT TO:<a@dest.test>", "503 5.5.1")
	p.do("RCPT TO:<a@dest.test>", "421 4.7.0")
	w := httptest.NewRecorder()
	o.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), `mail_limit_reached_total{limit="smtp_errors"} 1`+"\n") {
		t.Error("the limit is not counted, or not once")
	}
}
