package httpd

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/throttle"
)

// A body of /mcp is in memory as long as any other, and counts as any other.
func TestBodiesOfMCPCountInTheBudgetOfMessages(t *testing.T) {
	h := newFixture(t)
	h.s.o.Messages = throttle.NewBytes(1 << 20)
	var during int64
	h.s.o.MCP = func(func(string) api.Caller) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err == nil {
				during = h.s.o.Messages.Used()
				w.WriteHeader(http.StatusOK)
			}
		})
	}
	const size = 200 << 10
	post := func(length int64) reply {
		r := h.request("sender", "POST", "/mcp", strings.Repeat("x", size))
		r.ContentLength = length
		return h.serve("sender", r)
	}
	for _, length := range []int64{size, -1} { // -1: chunked
		during = 0
		if r := post(length); r.status != http.StatusOK || during < size || during >= 2*size {
			t.Errorf("length %d: %d, %d octets are held for %d", length, r.status, during, size)
		}
		others := h.s.o.Messages.Hold("somebody else")
		if !others.Reach(1<<20 - 64<<10) {
			t.Fatal("the budget was not given back")
		}
		r := post(length)
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" ||
			!strings.Contains(r.body, `"error"`) || !strings.Contains(r.body, "too many messages at the same time") {
			t.Errorf("length %d past the budget: %d %v %s", length, r.status, r.header, r.body)
		}
		others.Release()
		if n := h.s.o.Messages.Used(); n != 0 {
			t.Errorf("%d octets are held afterwards", n)
		}
	}
}
