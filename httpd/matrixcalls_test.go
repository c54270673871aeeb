package httpd

import (
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
)

// matrixKeys are the columns of the matrix: every scope alone, and the usual pairs.
var matrixKeys = []struct {
	head string
	key  registry.KeyRequest
}{
	{"read", agentKey(registry.ScopeRead)},
	{"send", agentKey(registry.ScopeSend)},
	{"read+send", agentKey(registry.ScopeRead, registry.ScopeSend)},
	{"read:token", agentKey(registry.ScopeRead)}, // of a grant: its client can ask for more
	{"tighten", agentKey(registry.ScopeTighten)},
	{"over_read", approverKey(registry.ScopeOversightRead)},
	{"oversight", approverKey(registry.ScopeOversight)},
	{"both", approverKey(registry.ScopeOversight, registry.ScopeOversightRead)},
	{"admin", adminKey(registry.ScopeAdmin)},
	{"usual", adminKey(registry.KindAdmin.Usual()...)},
	{"audit_read", adminKey(registry.ScopeAuditRead)},
	{"tighten", adminKey(registry.ScopeTighten)},
}

const matrixLegend = `# What each tool does for each credential, in each oversight mode of the mailbox.
# TestGoldenMatrixOfTools calls every cell over /mcp and compares; go test ./httpd -run GoldenMatrix -update writes it.
# Read the difference first.
#
#   -        hidden: not listed, and refused by its name
#   step-up  listed for a token; the call is refused with the scopes that its client asks for
#   code     202: nothing is done, the operator gets a code
#   ok, held, sent, scheduled    done; what became of the mail
#   !word    listed and refused, with the code of docs/errors.md
#
# Columns: keys of an agent (read, send, both, a token with read alone, tighten), of an approver (oversight_read,
# oversight, both), of an admin (admin, the usual three, audit_read, tighten).
`

func agentKey(scopes ...registry.Scope) registry.KeyRequest {
	return registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot", Scopes: scopes}
}

func approverKey(scopes ...registry.Scope) registry.KeyRequest {
	return registry.KeyRequest{Kind: registry.KindApprover, Owner: "eve", Scopes: scopes}
}

func adminKey(scopes ...registry.Scope) registry.KeyRequest {
	return registry.KeyRequest{Kind: registry.KindAdmin, Owner: "root", Scopes: scopes}
}

// matrixCall is one way to call a tool, and its row; BOX and other words in capitals are filled in.
type matrixCall struct{ tool, how, args string }

// matrixCalls are the calls of tools that need arguments. A tool without a line is called
// without any.
var matrixCalls = []matrixCall{
	{"send_email", "", `{"to":["ada@b.example"],"subject":"Hello","markdown":"m","mailbox_id":"BOX"}`},
	{"send_email", "allowlisted", `{"to":["friend@b.example"],"subject":"Hello","markdown":"m","mailbox_id":"BOX"}`},
	{"send_email", "later", `{"to":["friend@b.example"],"subject":"Hello","markdown":"m",` +
		`"send_at":"2026-02-01T08:00:00Z","mailbox_id":"BOX"}`},
	{"check_inbox", "", `{"mailbox_id":"BOX"}`},
	{"read_email", "", `{"email_id":"ARRIVED","mailbox_id":"BOX"}`},
	{"reply_email", "", `{"email_id":"ARRIVED","markdown":"Yes.","mailbox_id":"BOX"}`},
	{"get_thread", "", `{"thread_id":"ARRIVED","mailbox_id":"BOX"}`},
	{"download_attachment", "", `{"email_id":"ARRIVED","filename":"plan.txt","mailbox_id":"BOX"}`},
	{"cancel_message", "", `{"email_id":"HELD","mailbox_id":"BOX"}`},
	{"edit_scheduled_email", "", `{"email_id":"SCHEDULED","subject":"Another","mailbox_id":"BOX"}`},
	{"wait_for_email", "", `{"timeout_seconds":5,"mailbox_id":"BOX"}`},
	{"get_tags", "", `{"email_id":"ARRIVED","mailbox_id":"BOX"}`},
	{"set_tags", "", `{"email_id":"ARRIVED","tags":{"k":"v"},"mailbox_id":"BOX"}`},
	{"delete_tag", "", `{"email_id":"ARRIVED","key":"topic","mailbox_id":"BOX"}`},
	{"decide_email", "approve", `{"email_id":"HELD","action":"approve","digest":"DIGEST"}`},
	{"decide_email", "reject", `{"email_id":"HELD","action":"reject"}`},
	{"manage_upgrade", "request", `{"action":"request","target_mode":"monitored","mailbox_id":"BOX"}`},
	{"manage_upgrade", "apply", `{"action":"apply","code":"AAA-AAA-AAAA","mailbox_id":"BOX"}`},
	{"list_allowlist", "", `{"mailbox_id":"BOX"}`},
	{"add_allowlist_entry", "", `{"pattern":"*@c.example","mailbox_id":"BOX"}`},
	{"add_allowlist_entry", "wrong code", `{"pattern":"*@c.example","mailbox_id":"BOX","approval_code":"AAA-AAA-AAAA"}`},
	{"remove_allowlist_entry", "", `{"entry_id":"ENTRY","mailbox_id":"BOX"}`},
	{"configure_mailbox", "", `{"mailbox_id":"BOX"}`},
	{"configure_mailbox", "signature", `{"signature_block":"Bot","mailbox_id":"BOX"}`},
	{"update_mailbox", "stricter", `{"oversight_mode":"read_only","mailbox_id":"BOX"}`},
	{"update_mailbox", "looser", `{"oversight_mode":"autonomous","mailbox_id":"BOX"}`},
	{"update_mailbox", "name", `{"display_name":"Another","mailbox_id":"BOX"}`},
	{"create_mailbox", "", `{"address_local_part":"new@a.example","agents":["bot"]}`},
	{"delete_mailbox", "", `{"mailbox_id":"BOX"}`},
	{"update_account", "name", `{"name":"Another"}`},
	{"update_account", "oversight", `{"oversight_email":"another@b.example"}`},
	{"create_api_key", "own", `{"name":"n","scopes":["read"]}`},
	{"create_api_key", "admin", `{"name":"n","kind":"admin","owner":"new","scopes":["admin"]}`},
	{"create_api_key", "approver", `{"name":"n","kind":"approver","owner":"new","scopes":["oversight"]}`},
	{"create_api_key", "audit_read", `{"name":"n","kind":"admin","owner":"new","scopes":["audit_read"]}`},
	{"revoke_api_key", "own", `{"key_id":"OWN"}`},
	{"revoke_api_key", "another", `{"key_id":"KEY"}`},
	{"add_contact", "", `{"name":"Carl","email":"carl@b.example","mailbox_id":"BOX"}`},
	{"delete_contact", "", `{"contact_id":"CONTACT"}`},
	{"manage_spam_status", "report", `{"email_id":"ARRIVED","action":"report"}`},
	{"manage_spam_status", "clear", `{"email_id":"SPAM","action":"clear","digest":"SPAMSUM"}`},
	{"remove_suppression", "", `{"email_address":"gone@b.example"}`},
	{"create_webhook", "", `{"url":"https://hooks.invalid.test/x","events":["message.received"]}`},
	{"delete_webhook", "", `{"webhook_id":"WEBHOOK"}`},
}

// matrixRows are the calls of every tool of the table, in its order.
func matrixRows() (rows []matrixCall) {
	for _, op := range api.Operations.Operations() {
		if op.Tool == nil {
			continue
		}
		n := len(rows)
		for _, c := range matrixCalls {
			if c.tool == op.Name {
				rows = append(rows, c)
			}
		}
		if len(rows) == n {
			rows = append(rows, matrixCall{op.Name, "", "{}"})
		}
	}
	return rows
}
