//go:build e2e

package e2e

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// earlier are calls by every earlier name of a tool, with every action, that would be good for a
// credential with all rights; and by the tools themselves. MAIL is held, SPAM is in quarantine.
var earlier = []struct {
	tool string
	args map[string]any
	own  bool // this is what the scope is for: sending, and what tightens
}{
	{"schedule_email", map[string]any{"to": []string{"to@dest.test"}, "subject": "later", "markdown": "m",
		"send_at": "SOON"}, true},
	{"schedule_email", map[string]any{"to": []string{"to@dest.test"}, "subject": "never", "markdown": "m"}, false},
	{"request_upgrade", map[string]any{"target_mode": "autonomous"}, false},
	{"apply_upgrade", map[string]any{"code": "ABCDE-FGHJK"}, false},
	{"report_spam", map[string]any{"email_id": "SPAM"}, true},
	{"not_spam", map[string]any{"email_id": "SPAM"}, false},
	{"check_suppression", map[string]any{}, false},
	{"tag_email", map[string]any{"action": "set", "email_id": "SPAM", "tags": map[string]any{"a": "b"}}, false},
	{"tag_email", map[string]any{"action": "get", "email_id": "SPAM"}, false},
	{"tag_email", map[string]any{"action": "delete", "email_id": "SPAM", "key": "a"}, false},
	{"manage_contacts", map[string]any{"action": "add", "name": "Eve", "email": "eve@evil.test"}, true},
	{"manage_contacts", map[string]any{"action": "search", "query": "e"}, false},
	{"manage_contacts", map[string]any{"action": "delete", "contact_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, false},
	{"manage_suppression", map[string]any{"action": "check"}, false},
	{"manage_suppression", map[string]any{"action": "remove", "address": "gone@gone.test"}, false},
	{"manage_webhooks", map[string]any{"action": "list"}, false},
	{"manage_webhooks", map[string]any{"action": "delete", "webhook_id": "HOOK"}, false},
	{"decide_email", map[string]any{"email_id": "MAIL", "action": "approve", "digest": "DIGEST"}, false},
	{"decide_email", map[string]any{"email_id": "MAIL", "action": "reject"}, false},
	{"manage_spam_status", map[string]any{"action": "clear", "email_id": "SPAM"}, false},
	{"manage_upgrade", map[string]any{"action": "request", "target_mode": "monitored"}, false},
	{"configure_mailbox", map[string]any{"oversight_mode": "autonomous"}, false},
	{"update_mailbox", map[string]any{"oversight_mode": "autonomous"}, false},
	{"create_api_key", map[string]any{"name": "more", "scopes": []string{"read", "send"}}, false},
	{"add_allowlist_entry", map[string]any{"pattern": "@evil.test"}, false},
	{"update_account", map[string]any{"oversight_email": "eve@evil.test"}, false},
	{"create_webhook", map[string]any{"url": "https://evil.test/", "events": []string{"message.received"}}, false},
	{"delete_mailbox", map[string]any{}, false},
	{"remove_suppression", map[string]any{"address": "gone@gone.test"}, false},
}

// A credential that sends, a key or a token, decides nothing and loosens nothing by any name of
// any tool: what is not refused waits for the operator's code.
func TestWhatOnlySendsDecidesAndLoosensNothingByAnyName(t *testing.T) {
	h, r := start(t), startReceiver(t)
	m := h.mcp(h.dev.AgentKey).held("held", nil)
	spam := h.comesIn("From: Bob <bob@far.test>\r\nSubject: Win\r\nMessage-ID: <w@far.test>\r\n\r\nHello\r\n")
	agent := h.mcp(h.dev.AgentKey)
	if got := agent.call("manage_spam_status", map[string]any{"email_id": spam, "action": "report"}); got.failed {
		t.Fatalf("%+v", got)
	}
	hook, _ := h.webhook(r, "/raw", "--event", "oversight.pending")
	program := h.programOf("private_key_jwt", "", "--agent", h.dev.Username, "--scope", "send", "--resource",
		h.dev.HTTP+"/mcp")
	status, token, _ := program.token(url.Values{"grant_type": {"client_credentials"}})
	if status != 200 {
		t.Fatal(status)
	}
	stands := func() (out []string) {
		for _, command := range []string{"allow list " + h.dev.Mailbox, "suppress list", "mailbox list --json", "key list",
			"webhook list", "agent list", "approver list", "grant list", "client list", "inbox spam " + h.dev.Mailbox} {
			got := h.cli(strings.Fields(command)...)
			out = append(out, command+"\n"+got.out)
		}
		return append(out, h.state(m.ID))
	}
	key := strings.TrimSpace(h.must("key", "create", "agent", h.dev.Username, "--scope", "send"))
	before := stands()
	for name, secret := range map[string]string{"a key": key, "a token": token} {
		c := h.mcp(secret)
		for _, tool := range c.tools() {
			if strings.Contains("decide_email list_pending get_audit_log", tool) {
				t.Errorf("%s lists %s", name, tool)
			}
		}
		for _, call := range earlier {
			args := map[string]any{}
			for name, value := range call.args {
				if text, ok := value.(string); ok {
					value = strings.NewReplacer("MAIL", m.ID, "SPAM", spam, "HOOK", hook, "DIGEST", m.Digest,
						"SOON", time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)).Replace(text)
				}
				args[name] = value
			}
			got := c.call(call.tool, args)
			waits := got.Status == "pending_approval" || got.Status == "upgrade_requested"
			if !call.own && !got.failed && !waits {
				t.Errorf("%s %s %v: %+v", name, call.tool, args, got)
			}
			if call.own && call.tool == "schedule_email" && got.Status != "pending_send_approval" {
				t.Errorf("%s does not send by %s: %+v", name, call.tool, got)
			}
		}
	}
	for i, now := range stands() {
		if now != before[i] {
			t.Errorf("before:\n%s\nnow:\n%s", before[i], now)
		}
	}
}
