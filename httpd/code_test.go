package httpd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
)

const allowPath = "/v1/mailboxes/" + bot + "/allowlist"

// asksFor makes a request that must wait for a code, and returns the code.
func (h *fixture) asksFor(as, method, target, body string) string {
	h.t.Helper()
	before := len(h.codes)
	r := h.want(202, as, method, target, body)
	var said api.PendingApproval
	err := json.Unmarshal([]byte(r.body), &said)
	if err != nil || said.Status != api.StatusPending || said.ExpiresAt.IsZero() {
		h.t.Fatalf("answer %s: %v", r.body, err)
	}
	if len(h.codes) != before+1 {
		h.t.Fatalf("%d codes were mailed, want one", len(h.codes)-before)
	}
	return h.codes[before].Code
}

// kinds are the kinds of the newest entries, newest first.
func (h *fixture) kinds(n int) string {
	h.t.Helper()
	var out []string
	for _, e := range h.entries()[:n] {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func approvedBy(pattern, code string) string {
	return fmt.Sprintf(`{"pattern":%q,"approval_code":%q}`, pattern, code)
}

func TestACodeLetsTheOneRequestPassAsTheOperator(t *testing.T) {
	h := newFixture(t)
	code := h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example","note":"n"}`)
	n := h.codes[0]
	if n.To.String() != "eve@a.example" || n.Requester != "agent:bot" || n.Operation != "add_allowlist_entry" ||
		fmt.Sprint(n.Values) != "[{mailbox_id bot@a.example} {pattern ada@b.example} {note n}]" {
		t.Errorf("the operator is told %+v", n)
	}
	spelt := " " + strings.ToLower(strings.ReplaceAll(code, "-", "")) + " "
	h.want(201, "sender", "POST", allowPath, `{"note":"n","pattern":"ada@b.example","approval_code":"`+spelt+`"}`)
	e := h.entries()
	if h.kinds(3) != "allow.add code.redeem code.request" {
		t.Fatalf("entries %s", h.kinds(3))
	}
	if a := e[0]; a.Actor.Kind != "operator" || a.Private["requester"] != "agent:bot" ||
		a.Private["credential"] != e[1].Facts["request"] || e[1].Facts["request"] != e[2].Facts["request"] {
		t.Errorf("the entry says %+v", a)
	}
	h.want(404, "sender", "POST", allowPath, `{"note":"n","pattern":"ada@b.example","approval_code":"`+code+`"}`)
	for _, s := range h.scopes("sender") {
		if s == api.ScopeAdmin || s == api.ScopeOversight {
			t.Errorf("the agent holds %s", s)
		}
	}
}

func TestACodeIsNowhereButInTheMail(t *testing.T) {
	h := newFixture(t)
	code := h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
	h.want(403, "sender", "POST", allowPath, approvedBy("ada@b.example", "AAA-AAA-AAAA"))
	h.want(409, "sender", "POST", allowPath, approvedBy("eve@b.example", code))
	var everything strings.Builder
	for _, e := range h.entries() {
		fmt.Fprintf(&everything, "%+v\n", e)
	}
	everything.Write(h.logs.Bytes())
	for _, target := range []string{"/v1/audit-log?limit=100", "/v1/mailboxes", "/metrics", "/v1/account", "/v1/mails"} {
		everything.WriteString(h.want(200, "dev", "GET", target, "").body)
	}
	everything.WriteString(h.want(200, "reader", "GET", emailsOf, "").body)
	for _, c := range []string{code, strings.ReplaceAll(code, "-", "")} {
		if strings.Contains(everything.String(), c) {
			t.Errorf("%s is in\n%s", c, everything.String())
		}
	}
}

// wished is what the agent asks for in the rows below.
const wished = "ada@b.example"

// codeRefusals are what may go wrong between a request and its code.
var codeRefusals = []struct {
	name   string
	before func(h *fixture, code *string)
	as     string
	body   func(code string) string
	status int
	kinds  string
}{
	{"when it is wrong", nil, "sender", func(string) string { return approvedBy(wished, "AAA-AAA-AAAA") }, 403,
		"policy.refuse code.refuse"},
	{"when it is used twice", func(h *fixture, code *string) {
		h.want(201, "sender", "POST", allowPath, approvedBy(wished, *code))
	}, "sender", func(code string) string { return approvedBy(wished, code) }, 404, "policy.refuse"},
	{"for another value", nil, "sender", func(code string) string { return approvedBy("*@evil.example", code) }, 409,
		"policy.refuse code.refuse"},
	{"for one more value", nil, "sender", func(code string) string {
		return `{"pattern":"` + wished + `","note":"x","approval_code":"` + code + `"}`
	}, 409, "policy.refuse code.refuse"},
	{"after a newer one", func(h *fixture, _ *string) {
		h.asksFor("sender", "POST", allowPath, `{"pattern":"`+wished+`"}`)
	}, "sender", func(code string) string { return approvedBy(wished, code) }, 403,
		"policy.refuse code.refuse code.request code.void code.request"},
	{"after five wrong ones", func(h *fixture, _ *string) {
		for range 5 {
			h.want(403, "sender", "POST", allowPath, approvedBy(wished, "AAA-AAA-AAAA"))
		}
		if h.kinds(3) != "policy.refuse code.void code.refuse" {
			h.t.Errorf("entries %s", h.kinds(3))
		}
	}, "sender", func(code string) string { return approvedBy(wished, code) }, 404, "policy.refuse"},
	{"a day later", func(h *fixture, _ *string) { h.clock.Forward(24 * time.Hour) }, "sender",
		func(code string) string { return approvedBy(wished, code) }, 404, "policy.refuse code.void code.request"},
	{"from another key of the same agent", func(h *fixture, _ *string) {
		k := into[api.KeySecret](h, h.want(201, "admin", "POST", "/v1/api-keys",
			`{"owner":"bot","scopes":["read","send"]}`))
		h.keys["second"] = k.Secret
	}, "second", func(code string) string { return approvedBy(wished, code) }, 404, "policy.refuse"},
	{"from another agent", nil, "other", func(code string) string { return approvedBy(wished, code) }, 404,
		"policy.refuse"},
	{"from a key that may not send", nil, "reader", func(code string) string { return approvedBy(wished, code) }, 403,
		"policy.refuse"},
	{"from an admin", nil, "admin", func(code string) string { return approvedBy(wished, code) }, 403, "policy.refuse"},
	{"once the key is revoked", func(h *fixture, _ *string) {
		h.want(200, "admin", "DELETE", "/v1/api-keys/"+h.ids["sender"], "")
	}, "sender", func(code string) string { return approvedBy(wished, code) }, 401, ""},
}

func TestACodeIsRefused(t *testing.T) {
	for _, c := range codeRefusals {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			code := h.asksFor("sender", "POST", allowPath, `{"pattern":"`+wished+`"}`)
			if c.before != nil {
				c.before(h, &code)
			}
			r := h.want(c.status, c.as, "POST", allowPath, c.body(code))
			if n := len(strings.Fields(c.kinds)); n > 0 && h.kinds(n) != c.kinds {
				t.Errorf("entries %s, want %s", h.kinds(n), c.kinds)
			}
			if strings.Contains(r.body, code) {
				t.Errorf("answer %s", r.body)
			}
			list := into[api.Allowlist](h, h.want(200, "approver", "GET", allowPath, ""))
			if c.name != "when it is used twice" && len(list.Entries) > 0 {
				t.Errorf("the list has %+v", list.Entries)
			}
		})
	}
}

// A request that nobody comes back to ends in the log all the same, by whoever looks first:
// the agent that asks anew, or the sweep.
func TestTheEndOfTheTimeOfACodeIsInTheLog(t *testing.T) {
	voids := func(h *fixture, actor string) {
		h.t.Helper()
		var found []string
		for _, e := range h.entries() {
			if e.Kind == audit.CodeVoid {
				found = append(found, e.Actor.Kind+" "+e.Facts["why"]+" "+e.Facts["operation"]+" "+e.Private["mailbox"])
			}
		}
		if want := actor + " expired add_allowlist_entry " + bot; len(found) != 1 || found[0] != want {
			h.t.Errorf("the entries are %q, want %q", found, want)
		}
	}
	t.Run("asked for again", func(t *testing.T) {
		h := newFixture(t)
		h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
		h.clock.Forward(24 * time.Hour)
		h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
		voids(h, "agent")
	})
	t.Run("swept", func(t *testing.T) {
		h := newFixture(t)
		code := h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
		h.clock.Forward(24*time.Hour - time.Minute)
		sweep := func() {
			if err := h.Gate.ExpireCodes(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		if h.kinds(1) != "code.request" {
			t.Errorf("too early: %s", h.kinds(1))
		}
		h.clock.Forward(time.Minute)
		sweep()
		sweep()
		voids(h, "system")
		h.want(404, "sender", "POST", allowPath, approvedBy("ada@b.example", code))
	})
}

func TestACodeThatCannotBeMailedIsNotAskedFor(t *testing.T) {
	h := newFixture(t)
	h.unsent = errors.New("421 later")
	r := h.want(503, "sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
	if strings.Contains(r.body, "421") || h.kinds(2) != "code.void code.request" {
		t.Errorf("%s, entries %s", r.body, h.kinds(2))
	}
	h.want(404, "sender", "POST", allowPath, approvedBy("ada@b.example", h.codes[0].Code))
}

func TestFewCodesAreMailedInAnHour(t *testing.T) {
	h := newFixture(t)
	for range 3 {
		h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
	}
	r := h.want(429, "sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
	if after := r.header.Get("Retry-After"); len(after) != 4 || after > "3600" {
		t.Errorf("Retry-After: %q", after)
	}
	h.asksFor("sender", "POST", "/v1/mailboxes", `{"address":"x@a.example","agents":["bot"]}`) // of no mailbox
	h.asksFor("other", "POST", "/v1/mailboxes/"+other+"/allowlist", `{"pattern":"ada@b.example"}`)
	if len(h.codes) != 5 {
		t.Errorf("%d mails", len(h.codes))
	}
	h.clock.Forward(time.Hour)
	h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
}

// What tightens is done at once, by whoever asks, and what loosens waits.
func TestOnlyWhatLoosensWaitsForACode(t *testing.T) {
	h := newFixture(t)
	h.want(200, "sender", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"gated_all"}`)
	if len(h.codes) != 0 {
		t.Errorf("%d codes", len(h.codes))
	}
	const body = `{"oversight_mode":"gated_send","hold_seconds":3600`
	code := h.asksFor("sender", "PATCH", "/v1/mailboxes/"+bot, body+`}`)
	m := into[api.Mailbox](h, h.want(200, "sender", "PATCH", "/v1/mailboxes/"+bot, body+`,"approval_code":"`+code+`"}`))
	if m.OversightMode != "gated_send" || m.HoldSeconds != 3600 {
		t.Errorf("got %+v", m)
	}
}

func TestACodeGivesAnAgentKeysOfItsOwnAlone(t *testing.T) {
	h := newFixture(t)
	for _, body := range []string{`{"name":"n","kind":"admin","owner":"root2","scopes":["admin"]}`,
		`{"name":"n","kind":"approver","owner":"eve","scopes":["oversight"]}`,
		`{"name":"n","owner":"other","scopes":["send"]}`} {
		h.want(403, "sender", "POST", "/v1/api-keys", body)
	}
	if len(h.codes) > 0 {
		t.Error("the operator is asked in vain")
	}
	code := h.asksFor("sender", "POST", "/v1/api-keys", `{"name":"n","scopes":["read"]}`)
	k := into[api.KeySecret](h, h.want(201, "sender", "POST", "/v1/api-keys",
		`{"name":"n","scopes":["read"],"approval_code":"`+code+`"}`))
	if k.Owner != "bot" || k.Kind != "agent" || k.Secret == "" {
		t.Errorf("got %+v", k)
	}
}

func TestACodeOfAnotherOperationIsNone(t *testing.T) {
	h := newFixture(t)
	code := h.asksFor("sender", "DELETE", "/v1/contacts/01HZZZZZZZZZZZZZZZZZZZZZZZ", "")
	h.want(404, "sender", "POST", allowPath, approvedBy("ada@b.example", code))
	r := h.request("sender", "DELETE", "/v1/contacts/01HZZZZZZZZZZZZZZZZZZZZZZZ", "")
	r.Header.Set("Approval-Code", code)
	if got := h.serve("sender", r); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestAnUpgradeIsAppliedWithItsCode(t *testing.T) {
	h := newFixture(t)
	const at = "/v1/mailboxes/" + bot
	for _, bad := range []string{"gated_send", "gated_all", "read_only", "x", ""} {
		h.want(400, "sender", "POST", at+"/request-upgrade", `{"target_mode":"`+bad+`"}`)
	}
	h.want(404, "sender", "POST", at+"/upgrade", `{"code":"AAA-AAA-AAAA"}`)
	u := into[api.Upgrade](h, h.want(200, "sender", "POST", at+"/request-upgrade", `{"target_mode":"monitored"}`))
	if u.Status != "upgrade_requested" || u.OversightMode != "gated_send" || len(h.codes) != 1 {
		t.Fatalf("got %+v", u)
	}
	h.want(403, "sender", "POST", at+"/upgrade", `{"code":"AAA-AAA-AAAA"}`)
	u = into[api.Upgrade](h, h.want(200, "sender", "POST", at+"/upgrade", `{"code":"`+h.codes[0].Code+`"}`))
	if u.Status != "upgraded" || u.OversightMode != "monitored" || h.kinds(2) != "mode.loosen code.redeem" {
		t.Errorf("got %+v, entries %s", u, h.kinds(2))
	}
	h.want(200, "sender", "POST", at+"/request-upgrade", `{"target_mode":"autonomous"}`)
	h.want(200, "sender", "PATCH", at, `{"oversight_mode":"gated_all"}`)
	h.want(409, "sender", "POST", at+"/upgrade", `{"code":"`+h.codes[1].Code+`"}`)
	h.want(200, "sender", "POST", at+"/request-upgrade", `{"target_mode":"autonomous"}`)
	h.want(429, "sender", "POST", at+"/request-upgrade", `{"target_mode":"autonomous"}`)
}

func TestNoCodeIsAskedForWhileAFreezeStands(t *testing.T) {
	h := newFixture(t)
	h.want(200, "approver", "POST", "/v1/freeze", `{"scope":"all","reason":"drill"}`)
	h.do("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
	if len(h.codes) != 0 || h.entries()[0].Kind == audit.CodeRequest {
		t.Errorf("%d codes", len(h.codes))
	}
}

func TestTheOversightAddressIsNoMailboxOfAnAgent(t *testing.T) {
	h := newFixture(t)
	h.want(400, "dev", "PATCH", "/v1/account", `{"oversight_email":"BOT@a.example"}`)
	h.want(400, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_address":"`+other+`"}`)
	h.want(400, "dev", "POST", "/v1/mailboxes", `{"address":"eve@a.example","agents":["bot"]}`)
	h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_address":"max@a.example"}`)
	h.want(400, "dev", "POST", "/v1/mailboxes", `{"address":"Max@a.example","agents":["bot"]}`)
}
