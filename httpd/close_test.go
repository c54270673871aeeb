package httpd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// deleted closes the account as a principal.
func (h *fixture) deleted(as string) (out api.DeletedAccount) {
	h.t.Helper()
	r := h.want(200, as, "DELETE", "/v1/account", "")
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

func TestAClosedAccountSaysSoAndKeepsItsLog(t *testing.T) {
	h := newFixture(t)
	h.want(200, "approver", "PATCH", "/v1/mailboxes/"+bot, `{"legal_hold":true}`)
	out := h.deleted("admin")
	if out.Status != "deleted" || out.DeletedAt.IsZero() || len(out.LegalHolds) != 1 || out.LegalHolds[0] != bot {
		t.Errorf("it answers %+v", out)
	}
	if again := h.deleted("admin"); !again.DeletedAt.Equal(out.DeletedAt) {
		t.Errorf("the second time it answers %+v", again)
	}
	var account api.Account
	r := h.want(200, "admin", "GET", "/v1/account", "")
	if err := json.Unmarshal([]byte(r.body), &account); err != nil || !account.DeletedAt.Equal(out.DeletedAt) {
		t.Errorf("the account is %s", r.body)
	}
	h.want(401, "sender", "GET", "/v1/mailboxes", "")
	h.want(401, "reader", "GET", "/v1/account", "")
	r = h.want(410, "admin", "PATCH", "/v1/account", `{"name":"Another"}`)
	if !strings.Contains(r.body, `"code":"closed"`) {
		t.Errorf("a change is answered %s", r.body)
	}
	h.want(410, "admin", "POST", "/v1/mailboxes", `{"address":"new@a.example","agents":["bot"]}`)
	h.want(410, "approver", "POST", "/v1/thaw", `{"scope":"all"}`)
	h.want(200, "admin", "GET", "/v1/audit-log", "")
	h.want(200, "admin", "POST", "/v1/audit-log/verify", "")
	closed := 0
	for _, e := range h.entries() {
		if e.Kind == "account.close" {
			closed++
		}
	}
	if closed != 1 {
		t.Errorf("%d entries of closing", closed)
	}
	h.want(200, "approver", "PATCH", "/v1/mailboxes/"+bot, `{"legal_hold":false}`)
	if again := h.deleted("admin"); len(again.LegalHolds) != 0 {
		t.Errorf("once the hold is lifted it answers %+v", again)
	}
}
