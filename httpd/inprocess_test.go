package httpd

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// A mail that comes over MCP is in memory as one request already: its operation
// gets it as it is.
func TestAValueIsHandedOverInProcessWithoutACopy(t *testing.T) {
	h := newFixture(t)
	table := api.Operations.Clone()
	op := api.Add[api.SendRequest, api.Done](table, api.Operation{
		Name: "take", Method: "POST", Path: "/v1/take/{id}", Scopes: []string{api.ScopeSend}, Summary: "take a draft"})
	const size = 32 << 20
	taken := 0
	take := func(_ context.Context, _ caller, in api.SendRequest) (api.Done, error) {
		taken += len(in.Attachments[0].ContentBase64)
		return api.Done{Status: "taken"}, nil
	}
	if err := h.s.mount(table, append(h.s.bindings(), bind(op, take))); err != nil {
		t.Fatal(err)
	}
	files := []api.Attachment{{ContentBase64: strings.Repeat("A", size)}}
	in := api.SendRequest{Mailbox: bot, Draft: api.Draft{Attachments: files}}
	c := h.s.InProcess("mcp")(h.keys["sender"])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := api.Call(t.Context(), c, op, in); err != nil || taken != size {
		t.Fatalf("%d octets, %v", taken, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > size/8 {
		t.Errorf("%d octets were allocated for a request of %d", n, size)
	}
}

func TestWhatIsNotJSONIsNotCalledInProcess(t *testing.T) {
	h := newFixture(t)
	c := h.s.InProcess("mcp")(h.keys["admin"])
	for _, op := range []*api.Operation{
		api.ExportAuditLog.Operation,
		api.Add[api.None, api.Done](&api.Table{},
			api.Operation{Name: "x", Method: "GET", Path: "/x", Summary: "x"}).Operation,
	} {
		_, err := c.Do(t.Context(), op, api.None{})
		var e *api.Error
		if !errors.As(err, &e) || e.Status != http.StatusInternalServerError || e.Ref == "" {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// What the query bounds and fills in over HTTP holds in-process too.
func TestValuesInProcessHaveDefaultsAndBounds(t *testing.T) {
	h := newFixture(t)
	c := h.s.InProcess("mcp")(h.keys["admin"])
	l, err := api.Call(t.Context(), c, api.GetAuditLog, api.AuditQuery{})
	if err != nil || len(l.Entries) == 0 {
		t.Errorf("%d entries, %v", len(l.Entries), err)
	}
	for _, limit := range []int{-1, 101} {
		_, err := api.Call(t.Context(), c, api.GetAuditLog, api.AuditQuery{Limit: limit})
		var e *api.Error
		if !errors.As(err, &e) || e.Status != http.StatusBadRequest ||
			e.Message != "limit must be a whole number from 1 to 100" {
			t.Errorf("%d: %v", limit, err)
		}
	}
}
