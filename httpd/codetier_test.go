package httpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// byCodes has a request for each operation that an agent may have by a code, and what
// presenting the code answers.
var byCodes = map[string]struct {
	method, path, body string
	status             int
}{
	"add_allowlist_entry": {"POST", allowPath, `{"pattern":"ada@b.example"}`, 201},
	"create_mailbox":      {"POST", "/v1/mailboxes", `{"address":"new@a.example","agents":["bot"]}`, 201},
	"update_mailbox":      {"PATCH", "/v1/mailboxes/" + bot, `{"oversight_mode":"monitored"}`, 200},
	"configure_mailbox":   {"PATCH", "/v1/mailboxes/" + bot + "/configure", `{"signature_block":"Bot"}`, 200},
	"create_webhook": {"POST", "/v1/webhooks",
		`{"url":"https://hooks.invalid.test/x","events":["message.received"]}`, 201},
	"create_api_key":     {"POST", "/v1/api-keys", `{"name":"n","scopes":["send"]}`, 201},
	"update_account":     {"PATCH", "/v1/account", `{"name":"Another"}`, 200},
	"delete_account":     {"DELETE", "/v1/account", "", 200},
	"remove_suppression": {"DELETE", "/v1/suppression/gone@b.example", "", 200},
	"delete_contact":     {"DELETE", "/v1/contacts/01HZZZZZZZZZZZZZZZZZZZZZZZ", "", 200},
	"clear_spam_status":  {"POST", "/v1/emails/MAIL/not-spam", `{"digest":"DIGEST"}`, 200},
}

// byCode fills a row in, once what it needs is there.
func (h *fixture) byCode(path, body string) (string, string) {
	h.t.Helper()
	h.Update(func(tx store.Tx) error {
		_, err := bounce.Add(tx, bounce.Entry{Address: mail.MustAddress("gone@b.example"), Mailbox: mail.MustAddress(bot),
			Reason: bounce.HardBounce})
		return err
	})
	m := h.arrive(brought(adasMail))
	h.want(200, "sender", "POST", "/v1/emails/"+string(m.ID)+"/report-spam", "")
	return strings.ReplaceAll(path, "MAIL", string(m.ID)), strings.ReplaceAll(body, "DIGEST", string(m.Digest))
}

// present repeats a request with its code.
func (h *fixture) present(as, method, path, body, code string) reply {
	h.t.Helper()
	if body == "" {
		r := h.request(as, method, path, "")
		r.Header.Set("Approval-Code", code)
		return h.serve(as, r)
	}
	return h.do(as, method, path, strings.TrimSuffix(body, "}")+`,"approval_code":"`+code+`"}`)
}

func TestEveryOperationOfTheTierIsCarriedOutOnceByItsCode(t *testing.T) {
	for _, op := range api.Operations.Operations() {
		c, known := byCodes[op.Name]
		if known != op.Tier.ByCode() {
			t.Errorf("%s: say in byCodes what becomes of it", op.Name)
		}
		if !known {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			h := newFixture(t)
			path, body := h.byCode(c.path, c.body)
			code := h.asksFor("sender", c.method, path, body)
			before := strings.Join(h.scopes("sender"), " ")
			if r := h.present("sender", c.method, path, body, code); r.status != c.status {
				t.Fatalf("with the code: %d %s", r.status, r.body)
			}
			if op.Name == api.DeleteAccount.Name { // whoever asked is nobody from then on
				h.want(401, "sender", c.method, path, body)
				return
			}
			if r := h.present("sender", c.method, path, body, code); r.status != 404 {
				t.Errorf("once more: %d %s", r.status, r.body)
			}
			if after := strings.Join(h.scopes("sender"), " "); after != before {
				t.Errorf("the agent holds %s, and held %s", after, before)
			}
			redeemed := 0
			for _, e := range h.entries() {
				if e.Kind == "code.redeem" {
					redeemed++
				}
				if e.Private["requester"] != "" && (e.Actor.Kind != "operator" || e.Private["requester"] != "agent:bot") {
					t.Errorf("an entry says %+v", e)
				}
			}
			if redeemed != 1 {
				t.Errorf("%d entries of redeeming", redeemed)
			}
		})
	}
}

// A freeze holds what was asked for before it, and keeps its code.
func TestNoCodeIsGoodWhileAFreezeStands(t *testing.T) {
	h := newFixture(t)
	code := h.asksFor("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`)
	h.want(200, "approver", "POST", "/v1/freeze", `{"scope":"all","reason":"drill"}`)
	if r := h.present("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`, code); r.status != 503 {
		t.Errorf("frozen: %d %s", r.status, r.body)
	}
	h.want(200, "approver", "POST", "/v1/thaw", `{"scope":"all"}`)
	if r := h.present("sender", "POST", allowPath, `{"pattern":"ada@b.example"}`, code); r.status != 201 {
		t.Errorf("thawed: %d %s", r.status, r.body)
	}
}
