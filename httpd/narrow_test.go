package httpd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
)

// narrow are credentials with one of the scopes for those that do one thing alone.
var narrow = []string{"auditor", "stopper", "own stopper"}

// addNarrow makes them.
func (h *fixture) addNarrow() {
	h.t.Helper()
	for _, k := range []registry.KeyRequest{
		{Name: "auditor", Kind: registry.KindAdmin, Owner: "siem", Scopes: []registry.Scope{registry.ScopeAuditRead}},
		{Name: "stopper", Kind: registry.KindAdmin, Owner: "guard", Scopes: []registry.Scope{registry.ScopeTighten}},
		{Name: "own stopper", Kind: registry.KindAgent, Owner: "bot", Scopes: []registry.Scope{registry.ScopeTighten}},
	} {
		h.key(k.Name, h.principal("admin"), k) // who only configures makes them
	}
}

// column is what a row of the table of rights answers somebody.
func column(want, as string) string { return strings.Fields(want)[slices.Index(everyone, as)] }

// narrowed is what a row of the table of rights answers a narrow credential: to tighten as
// whoever may tighten and no more, and to read the log as an admin; anything else is refused.
func narrowed(op *api.Operation, want, as string) string {
	switch {
	case op.Public:
		return column(want, "nobody")
	case len(op.Scopes) == 0 && op.Tier == api.TierNone:
		return "200" // any credential
	case as == "auditor" && slices.Contains(op.Scopes, api.ScopeAuditRead):
		return column(want, "admin")
	case as == "stopper" && op.Tier == api.TierTighten:
		return column(want, "approver")
	case as == "stopper" && op.Tier == api.TierBoth, as == "own stopper" && op.Tier.Tightens():
		return column(want, "reader") // who has no other rights over the settings of its mailbox
	}
	return "403"
}

func TestANarrowScopeDoesItsOneThingAndNothingElse(t *testing.T) {
	shared := newFixture(t)
	shared.addNarrow()
	shared.unlimited()
	done := map[string]int{}
	for i, row := range rights {
		method, _, _ := strings.Cut(row.route, " ")
		for n, as := range narrow {
			for _, op := range api.Operations.Operations() {
				if op.Route() != row.route || (op.Variant != "") != strings.Contains(row.target, "?"+op.Variant+"=") {
					continue
				}
				h, want := shared, narrowed(op, row.want, as)
				if want != "403" || op.Tier.Tightens() {
					h = newFixture(t)
					h.addNarrow()
				}
				cell := h.fill(100*i+n, row.target, row.body)
				if r := h.do(as, method, cell[0], cell[1]); fmt.Sprint(r.status) != want {
					t.Errorf("%s %s %s: got %d %s, want %s", as, row.route, row.body, r.status, r.body, want)
				} else if r.status < 300 && len(op.Scopes) > 0 {
					done[as]++
				}
			}
		}
	}
	if done["auditor"] != 3 || done["stopper"] < 8 || done["own stopper"] < 4 {
		t.Errorf("too little was allowed, or too much: %v", done)
	}
}

// What only tightens has no other rights by the same request, and asks for no code.
func TestAPatchByWhoOnlyTightens(t *testing.T) {
	h := newFixture(t)
	h.addNarrow()
	for _, as := range []string{"stopper", "own stopper"} {
		for body, want := range map[string]int{
			`{"oversight_mode":"gated_all"}`:                        200,
			`{"oversight_mode":"gated_send"}`:                       403,
			`{"oversight_mode":"read_only","display_name":"Other"}`: 403,
			`{"add_agents":["other"]}`:                              403,
		} {
			h.want(200, "approver", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_send"}`)
			if body == `{"oversight_mode":"gated_send"}` {
				h.want(200, "stopper", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"read_only"}`)
			}
			h.want(want, as, "PATCH", "/v1/mailboxes/"+bot, body)
		}
		h.want(403, as, "PATCH", "/v1/mailboxes/"+bot+"/configure", `{"default_gate_timing":"schedule_first"}`)
	}
	if len(h.codes) > 0 {
		t.Errorf("%d codes were sent", len(h.codes))
	}
}
