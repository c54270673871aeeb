package httpd

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mcpbridge"
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

// over is a call of a tool over /mcp with a key.
func (h *fixture) over(as, tool, arguments string, headers ...string) reply {
	h.t.Helper()
	h.s.o.MCP = func(dial func(string) api.Caller) http.Handler {
		b, err := mcpbridge.New(api.Operations, mcpbridge.Tools(), "1")
		if err != nil {
			h.t.Fatal(err)
		}
		return b.Handler(dial, 1<<20)
	}
	r := h.request(as, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+
		`","arguments":`+arguments+`}}`)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return h.serve(as, r)
}

func TestATraceparentReachesTheEntryOfWhatTheCallDid(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	const letter = `{"to":["a@dest.test"],"subject":"s","markdown":"m"}`
	h := newFixture(t)
	for _, c := range []struct{ given, want string }{{trace, trace}, {"not one", ""}, {"", ""}} {
		if r := h.over("sender", "send_email", letter, "Traceparent", c.given); r.status != http.StatusOK {
			t.Fatal(r.status, r.body)
		}
		h.want(http.StatusAccepted, "sender", "POST", "/v1/mailboxes/"+bot+"/send", letter)
		entries := h.entries()
		rest, over := entries[0], entries[1]
		if over.Kind != audit.MailSubmit || over.Facts["door"] != "mcp" || over.Private["trace"] != c.want {
			t.Errorf("%q: the entry of %s has the trace %q", c.given, over.Kind, over.Private["trace"])
		}
		if rest.Facts["door"] != "http" || rest.Private["trace"] != "" {
			t.Errorf("a request without one has the trace %q", rest.Private["trace"])
		}
	}
}

func TestACallWithoutItsScopeIsChallengedWithAllScopesAtOnce(t *testing.T) {
	h := newFixture(t)
	h.s.o.OAuth = h.oauth()
	r := h.over("reader", "send_email", `{}`)
	want := `Bearer realm="multimail", error="insufficient_scope", scope="read send", resource_metadata="` + publicURL +
		`/.well-known/oauth-protected-resource/mcp"`
	if r.status != http.StatusForbidden || r.header.Get("WWW-Authenticate") != want {
		t.Errorf("%d %q %s", r.status, r.header.Get("WWW-Authenticate"), r.body)
	}
	r = h.over("reader", "decide_email", `{}`)
	if r.status != http.StatusOK || !strings.Contains(r.body, "unknown tool") {
		t.Errorf("a tool that no key of an agent can call: %d %s", r.status, r.body)
	}
}
