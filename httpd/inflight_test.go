package httpd

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/throttle"
)

// Bodies count in the budget of messages in memory, and are given back.
func TestBodiesBeyondTheBudgetOfMessagesComeBackLater(t *testing.T) {
	h := newFixture(t)
	h.s.o.Messages = throttle.NewBytes(1 << 20)
	all := h.s.o.Messages.Hold("somebody else")
	if !all.Reach(1 << 20) {
		t.Fatal("no space")
	}
	r := h.want(http.StatusServiceUnavailable, "sender", "POST", "/v1/send", draft)
	if got := r.header.Get("Retry-After"); got == "" || !strings.Contains(r.body, "too many messages at the same time") {
		t.Errorf("Retry-After %q, %s", got, r.body)
	}
	// Without a length it is found out while the octets come.
	req := h.request("sender", "POST", "/v1/send", draft)
	req.ContentLength = -1
	if r := h.serve("sender", req); r.status != http.StatusServiceUnavailable {
		t.Errorf("without a length: %d", r.status)
	}
	if n := h.stored(); n != 0 {
		t.Errorf("%d mails", n)
	}
	all.Release()
	h.want(http.StatusAccepted, "sender", "POST", "/v1/send", draft)
	if n := h.s.o.Messages.Used(); n != 0 {
		t.Errorf("%d octets are held afterwards", n)
	}
}

// Who reads an answer slowly holds nothing of the budget.
func TestAnAnswerIsWrittenAfterTheBudgetIsGivenBack(t *testing.T) {
	h := newFixture(t)
	w := &budgetWriter{ResponseRecorder: httptest.NewRecorder(), messages: h.s.o.Messages}
	h.s.Handler().ServeHTTP(w, h.request("sender", "POST", "/v1/send", draft))
	if w.Code != http.StatusAccepted || w.held != 0 {
		t.Errorf("%d, %d octets are held while the answer is written", w.Code, w.held)
	}
}

// budgetWriter records what is held when an answer is written.
type budgetWriter struct {
	*httptest.ResponseRecorder
	messages *throttle.Bytes
	held     int64
}

func (w *budgetWriter) Write(p []byte) (int, error) {
	w.held = max(w.held, w.messages.Used())
	return w.ResponseRecorder.Write(p)
}
