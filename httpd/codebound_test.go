package httpd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// there and back again: what is in force at the end is what was in force before.
var undone = map[string][][3]string{
	"a mode": {{"PATCH", "/v1/mailboxes/" + bot, `{"oversight_mode":"read_only"}`},
		{"PATCH", "/v1/mailboxes/" + bot, `{"oversight_mode":"gated_send"}`}},
	"an allowlist": {{"POST", allowPath, `{"pattern":"x@b.example"}`}},
	"the agent":    {{"POST", "/v1/agents/bot/disable", ""}, {"POST", "/v1/agents/bot/enable", ""}},
	"the oversight address of the mailbox": {{"PATCH", "/v1/mailboxes/" + bot, `{"oversight_address":"max@c.example"}`},
		{"PATCH", "/v1/mailboxes/" + bot, `{"oversight_address":""}`}},
	"the oversight address of the account": {{"PATCH", "/v1/account", `{"oversight_email":"max@c.example"}`},
		{"PATCH", "/v1/account", `{"oversight_email":"eve@a.example"}`}},
}

// isVoid presents a code that is good no more.
func (h *fixture) isVoid(name string, present func() reply) {
	h.t.Helper()
	before := len(h.of("code.void"))
	if r := present(); r.status != 409 || !strings.Contains(r.body, "changed since") {
		h.t.Errorf("%s: %d %s", name, r.status, r.body)
	}
	void := h.of("code.void")
	if len(void) != before+1 || void[0].Facts["why"] != "policy" {
		h.t.Errorf("%s: %d entries, the last %+v", name, len(void)-before, void)
	}
	if r := present(); r.status != 404 {
		h.t.Errorf("%s, once more: %d %s", name, r.status, r.body)
	}
}

// The operator gave a code for what the mail said, and the mail said what was in force.
func TestACodeIsVoidOnceThePolicyItWasAskedUnderHasChanged(t *testing.T) {
	for what, steps := range undone {
		t.Run(what, func(t *testing.T) {
			h := newFixture(t)
			present, _ := h.askedFor("update_mailbox")
			for _, s := range steps {
				if r := h.do("approver", s[0], s[1], s[2]); r.status >= 300 {
					t.Fatalf("%v: %d %s", s, r.status, r.body)
				}
			}
			h.isVoid(what, present)
			if h.mode() != mail.GatedSend {
				t.Errorf("the mailbox is in %s", h.mode())
			}
		})
	}
	for _, name := range withACode() {
		t.Run(name, func(t *testing.T) {
			h := newFixture(t)
			present, _ := h.askedFor(name)
			for _, s := range undone["a mode"] {
				h.want(200, "approver", s[0], s[1], s[2])
			}
			h.isVoid(name, present)
		})
	}
}

// What is of another mailbox and another agent does not count, and neither does what was
// refused.
func TestACodeIsKeptWhenThePolicyOfOthersChanges(t *testing.T) {
	h := newFixture(t)
	present, done := h.askedFor("update_mailbox")
	h.want(200, "approver", "PATCH", "/v1/mailboxes/"+other, `{"oversight_mode":"gated_all"}`)
	h.want(200, "approver", "POST", "/v1/agents/other/disable", "")
	h.want(403, "reader", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"autonomous"}`)
	if r := present(); r.status != done {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// told is what the mail of the last code says, as one text.
func (h *fixture) told() string {
	n := h.codes[len(h.codes)-1]
	return fmt.Sprint(n.Effect, n.Stranger)
}

func TestTheMailOfACodeSaysWhatIsInForceAndWhatItBecomes(t *testing.T) {
	want := map[string]string{
		upgradeRow:            "{oversight_mode is gated_send, becomes monitored}",
		"update_mailbox":      "{oversight_mode is gated_send, becomes monitored}",
		"configure_mailbox":   "{oversight_mode is gated_send, and stays}",
		"add_allowlist_entry": "{covers one address, for good",
		"create_mailbox":      "{address new@a.example} {agents bot} {oversight_mode gated_send}",
		"create_webhook":      "{format raw} {mailboxes all of agent:bot, those it gets later too; now bot@a.example}",
		"create_api_key":      "{mailboxes all of agent:bot, those it gets later too; now bot@a.example} {expires never}",
		"update_account":      "becomes what the request says}",
		"delete_account":      "{account is open, becomes closed for good: there is no way back} {mailboxes all 2 of",
		"remove_suppression":  "{mailboxes bot@a.example may send to it again}",
		"delete_contact":      "{contact none of agent:bot has this id}",
		"clear_spam_status":   "{from ada@b.example}",
	}
	for _, name := range withACode() {
		t.Run(name, func(t *testing.T) {
			h := newFixture(t)
			h.askedFor(name)
			if w, known := want[name]; !known || !strings.Contains(h.told(), w) {
				t.Errorf("the operator is told %s, want %q", h.told(), w)
			}
		})
	}
}

// A limited key gets none by a code that reaches further, however little it says.
func TestAKeyByACodeReachesNoFurtherThanTheOneThatAsked(t *testing.T) {
	h := newFixture(t)
	const more = "more@a.example"
	h.want(201, "admin", "POST", "/v1/mailboxes", `{"address":"`+more+`","agents":["bot"]}`)
	h.key("limited", registry.Socket(1000, false), registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot",
		Scopes: registry.KindAgent.Scopes(), Mailboxes: []mail.Address{mail.MustAddress(bot)}})
	code := h.asksFor("limited", "POST", "/v1/api-keys", `{"name":"n"}`)
	if want := "{owner agent:bot} {name what the request says} {scopes read} " +
		"{mailboxes bot@a.example, as the key that asks} " +
		"{expires never}"; !strings.Contains(h.told(), want) {
		t.Errorf("the operator is told %s", h.told())
	}
	k := into[api.KeySecret](h, h.want(201, "limited", "POST", "/v1/api-keys", `{"name":"n","approval_code":"`+code+`"}`))
	if fmt.Sprint(k.Mailboxes, k.Scopes) != "[bot@a.example] [read]" {
		t.Errorf("got %+v", k.Key)
	}
	code = h.asksFor("limited", "POST", "/v1/api-keys", `{"name":"n","mailboxes":["`+more+`"]}`)
	h.want(403, "limited", "POST", "/v1/api-keys", `{"name":"n","mailboxes":["`+more+`"],"approval_code":"`+code+`"}`)
	code = h.asksFor("sender", "POST", "/v1/api-keys", `{"name":"n"}`)
	k = into[api.KeySecret](h, h.want(201, "sender", "POST", "/v1/api-keys", `{"name":"n","approval_code":"`+code+`"}`))
	if len(k.Mailboxes) != 0 {
		t.Errorf("got %+v", k.Key)
	}
}

// Between looking a code up and carrying out what it is for there is time for an approver.
func TestPolicyIsLookedAtAgainWhenACodeIsSpent(t *testing.T) {
	h, c := newCommits(t)
	present, _ := h.askedFor("update_mailbox")
	c.count, c.after = 0, func(int) {
		c.after = nil
		h.want(200, "approver", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"read_only"}`)
	}
	if r := present(); r.status != 409 || h.mode() != mail.ReadOnly {
		t.Errorf("%d %s, and the mailbox is in %s", r.status, r.body, h.mode())
	}
	if n := len(h.of("code.redeem")); n != 0 {
		t.Errorf("%d entries of redeeming", n)
	}
}
