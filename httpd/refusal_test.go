package httpd

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
)

// attempts are what the log must record when it is refused.
var attempts = []struct {
	op, method, target, body string
	may                      string // who is not refused
}{
	{"decide", "POST", "/v1/oversight/decide", `{"email_id":"{held}","action":"approve","digest":"{digest}"}`,
		"approver dev"},
	{"decide", "POST", "/v1/oversight/decide", `{"email_id":"{held}","action":"approve"}`, ""},
	{"decide", "POST", "/v1/oversight/decide", `{"email_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","action":"reject"}`, ""},
	{"mailbox.set", "PATCH", "/v1/mailboxes/bot@a.example", `{"oversight_mode":"autonomous"}`, "approver dev sender"},
	{"mailbox.set", "PATCH", "/v1/mailboxes/bot@a.example", `{"oversight_address":"x@a.example"}`, "approver dev sender"},
	{"mailbox.set", "PATCH", "/v1/mailboxes/bot@a.example", `{"hold_seconds":7000000}`, "approver dev sender"},
	{"allow.add", "POST", "/v1/mailboxes/bot@a.example/allowlist", `{"pattern":"p@b.example"}`, "approver dev sender"},
	{"thaw", "POST", "/v1/thaw", `{"scope":"all"}`, ""},
	{"operator.set", "PATCH", "/v1/account", `{"oversight_email":"x@a.example"}`, "approver dev sender other"},
	{"agent.add", "POST", "/v1/agents", `{"name":"fresh"}`, "admin socket dev"},
	{"agent.password", "POST", "/v1/agents/bot/password", "", "admin socket dev"},
	{"agent.enable", "POST", "/v1/agents/bot/enable", "", "approver dev"},
	{"key.create", "POST", "/v1/api-keys", `{"kind":"approver","owner":"boss","scopes":["oversight"]}`, "approver dev"},
	{"key.create", "POST", "/v1/api-keys", `{"kind":"admin","owner":"root2","scopes":["admin"]}`, "admin socket dev"},
	{"key.create", "POST", "/v1/api-keys", `{"kind":"agent","owner":"nobody","scopes":["send"]}`, ""},
}

// Every door, every principal: one refusal, one entry, and it outlives the
// transaction that was refused.
func TestEveryRefusedOperationLeavesExactlyOneEntry(t *testing.T) {
	for _, door := range []string{"http", "mcp"} {
		for _, who := range everyone[1:] {
			if door == "mcp" && (who == "socket" || who == "dev") {
				continue // nobody without a key comes in there
			}
			h := newFixture(t)
			for _, o := range attempts {
				filled := h.fill(0, o.target, o.body)
				h.clock.Forward(time.Hour) // codes of an hour ago do not count
				before := len(h.entries())
				status := h.through(door, who, o.method, filled[0], filled[1])
				if may := slices.Contains(strings.Fields(o.may), who); may != (status < 300) {
					t.Fatalf("%s: %s as %s: got %d", door, o.op, who, status)
				} else if may {
					continue
				}
				e := h.entries()
				if len(e) != before+1 {
					t.Errorf("%s: %s as %s: %d entries", door, o.op, who, len(e)-before)
					continue
				}
				kind := audit.PolicyRefuse
				if o.op == "decide" {
					kind = audit.DecideRefuse
				}
				r := e[0]
				if r.Kind != kind || r.Facts["op"] != o.op || r.Facts["code"] == "" || r.Facts["door"] != door ||
					r.Actor.ID == "" ||
					r.Private["credential"] != h.ids[who] {
					t.Errorf("%s: %s as %s: %+v", door, o.op, who, r)
				}
			}
		}
	}
}

// through makes a request over the network, or as the MCP handlers do.
func (h *fixture) through(door, as, method, target, body string) int {
	if door == "http" {
		return h.do(as, method, target, body).status
	}
	op, in := h.operation(h.request(as, method, target, body), body)
	_, err := h.s.InProcess(door)(h.keys[as]).Do(h.t.Context(), op, in)
	var e *api.Error
	if errors.As(err, &e) {
		return e.Status
	}
	if waits := (*api.PendingApproval)(nil); errors.As(err, &waits) {
		return http.StatusAccepted
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return op.Status
}

// operation finds the operation that a request asks for, and reads the request.
func (h *fixture) operation(r *http.Request, body string) (found *api.Operation, in any) {
	h.t.Helper()
	mux := http.NewServeMux()
	for _, op := range api.Operations.Operations() {
		if op.Variant != "" {
			continue
		}
		mux.HandleFunc(op.Route(), func(_ http.ResponseWriter, r *http.Request) {
			var err error
			found = op
			if in, err = op.Decode(api.Request{Path: r.PathValue, Query: r.URL.Query(), Header: r.Header,
				Body: []byte(body)}); err != nil {
				h.t.Fatal(err)
			}
		})
	}
	mux.ServeHTTP(httptest.NewRecorder(), r)
	if found == nil {
		h.t.Fatalf("%s asks for nothing", r.URL)
	}
	return found, in
}

// What changes something is guarded, unless it is an agent's own mail or
// changes nothing.
func TestEveryOperationThatChangesSomethingIsGuarded(t *testing.T) {
	own := []string{"POST /v1/send", "POST /v1/mailboxes/{id}/send", "POST /v1/mailboxes/{id}/emails/{email}/cancel",
		"PATCH /v1/mailboxes/{id}/emails/{email}", "PATCH /v1/mailboxes/{id}/emails/{email}/schedule",
		"PUT /v1/mailboxes/{id}/emails/{email}/tags",
		"DELETE /v1/mailboxes/{id}/emails/{email}/tags/{key}", "POST /v1/contacts",
		"POST /v1/mailboxes/{id}/reply/{email}", "POST /v1/emails/{email}/report-spam",
		"POST /v1/audit-log/verify", "POST /v1/verify"}
	for _, op := range api.Operations.Operations() {
		guarded := op.Method != http.MethodGet && !slices.Contains(own, op.Route())
		if guarded != (op.Audit != "") {
			t.Errorf("%s is called %q", op, op.Audit)
		}
	}
}

func TestNobodyFillsTheLogWithRefusals(t *testing.T) {
	h := newFixture(t)
	before := len(h.entries())
	for i := range 100 {
		if i%2 == 0 {
			h.want(403, "sender", "POST", "/v1/thaw", `{"scope":"all"}`)
		} else {
			h.want(403, "reader", "POST", "/v1/send", draft) // another credential, the same agent
		}
	}
	if n := len(h.entries()) - before; n != 60 {
		t.Errorf("100 refusals left %d entries, want 60", n)
	}
	h.want(403, "other", "POST", "/v1/thaw", `{"scope":"all"}`)
	if e := h.entries(); e[0].Actor.ID != "agent:other" {
		t.Errorf("another agent's refusal is left out: %+v", e[0])
	}
	h.clock.Forward(time.Minute)
	h.want(403, "sender", "POST", "/v1/thaw", `{"scope":"all"}`)
	e := h.entries()
	if len(e)-before != 63 || e[0].Kind != audit.PolicyRefuse || e[1].Kind != audit.RefuseOmit ||
		e[1].Facts["omitted"] != "40" || e[1].Actor.ID != "agent:bot" {
		t.Errorf("%d entries, the newest %+v, %+v", len(e)-before, e[0], e[1])
	}
}

func TestWhatWasLeftOutIsCountedWhenTheDaemonStops(t *testing.T) {
	h := newFixture(t)
	for range 61 {
		h.want(403, "sender", "POST", "/v1/thaw", `{"scope":"all"}`)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := h.Gate.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if e := h.entries()[0]; e.Kind != audit.RefuseOmit || e.Facts["omitted"] != "1" {
		t.Errorf("got %+v", e)
	}
}
