//go:build e2e

package e2e

import "strings"

// waitsForCode is the answer to what is not done without a code of the operator.
const waitsForCode = `{"status":"pending_approval","message":"@note","expires_at":"@time"}`

const entry = `{"id":"$entry","pattern":"bob@far.test","note":"a friend","created_at":"@time"}`

const spare = `"id":"$key","name":"spare","kind":"agent","owner":"demo","scopes":["read"],"prefix":"@note",
	"created_at":"@time","created_by":"@note"`

// keys are those of dev mode, of the clients here, and the one that a row makes, which is the newest.
const keys = `{"api_keys":[{"@more":"","owner":"@note"},{"@more":"","owner":"@note"},
	{"@more":"","owner":"@note"},{"@more":"","owner":"@note"},{"@more":"","owner":"@note"},
	{` + spare + `,"is_active":true}]}`

// given has the operator give the agent coder the code that was mailed for an operation.
func given(operation string) func(*scene) {
	return func(s *scene) {
		s.Helper()
		s.h.until("the code of "+operation, func() bool {
			for _, letter := range inMaildir(s.T, s.maildir, operation) {
				m := codeLine.FindStringSubmatch(letter)
				if m != nil && strings.Contains(letter, "agent:coder") && !s.spent[m[1]] {
					s.vars["code"], s.spent[m[1]] = m[1], true
					return true
				}
			}
			return false
		})
	}
}

// givenCalls are those of an agent whose operator gives it the codes.
var givenCalls = []toolCall{
	{as: "coder", tool: "add_contact", args: `{"name":"Ada","email":"ada@far.test"}`, want: `{"@more":"","id":"$friend"}`},
	{as: "coder", tool: "delete_contact", args: `{"contact_id":"$friend"}`, want: waitsForCode},
	{as: "coder", tool: "delete_contact", args: `{"contact_id":"$friend","approval_code":"$code"}`,
		before: given("delete_contact"), want: `{"deleted":true}`},
	{as: "coder", tool: "create_mailbox", args: `{"address_local_part":"third","agents":["coder"]}`, want: waitsForCode},
	{as: "coder", tool: "create_mailbox", before: given("create_mailbox"),
		args: `{"address_local_part":"third","agents":["coder"],"approval_code":"$code"}`,
		want: `{"@more":"","id":"third@example.test","oversight_mode":"gated_send","agents":["coder"]}`},
	{as: "coder", tool: "update_account", args: `{"name":"Example Ltd"}`, want: waitsForCode},
	{as: "coder", tool: "update_account", args: `{"name":"Example Ltd","approval_code":"$code"}`,
		before: given("update_account"), want: strings.Replace(account, "Example", "Example Ltd", 1)},
	{as: "coder", tool: "manage_upgrade", want: `{"@more":"","status":"upgrade_requested"}`,
		args: `{"mailbox_id":"coder@example.test","action":"request","target_mode":"monitored"}`},
	{as: "coder", tool: "manage_upgrade", args: `{"mailbox_id":"coder@example.test","action":"apply","code":"$code"}`,
		before: given("manage_upgrade"), want: `{"status":"upgraded","oversight_mode":"monitored"}`},
	{as: "coder", tool: "manage_upgrade", args: `{"mailbox_id":"coder@example.test","action":"apply","code":"$code"}`,
		refused: "code"},
}

// codeCalls are those of tools that loosen or configure, of which an agent has some with a code.
var codeCalls = []toolCall{
	{as: "approver", tool: "add_allowlist_entry",
		args: `{"mailbox_id":"$box","pattern":"bob@far.test","note":"a friend"}`, want: entry},
	{as: "agent", tool: "list_allowlist", args: `{}`, want: `{"entries":[` + entry + `]}`},
	{as: "approver", tool: "list_allowlist", args: `{"mailbox_id":"$box"}`, want: `{"entries":[` + entry + `]}`},
	{as: "admin", tool: "list_allowlist", args: `{"mailbox_id":"$box"}`, want: `{"entries":[` + entry + `]}`},
	{as: "agent", tool: "remove_allowlist_entry", args: `{"entry_id":"$entry"}`, want: `{"status":"removed"}`},
	{as: "approver", tool: "remove_allowlist_entry", args: `{"mailbox_id":"$box","entry_id":"$entry"}`, refused: "no "},
	{as: "admin", tool: "remove_allowlist_entry", args: `{"mailbox_id":"$box","entry_id":"$entry"}`, refused: "no "},
	{as: "agent", tool: "add_allowlist_entry", args: `{"pattern":"eve@far.test"}`, want: waitsForCode,
		notes: []string{"approval_code"}},
	{as: "agent", tool: "add_allowlist_entry", args: `{"pattern":"eve@far.test","approval_code":"AAA-AAA-AAAA"}`,
		refused: "code"},

	{as: "approver", tool: "create_api_key", args: `{"name":"spare","scopes":["read"],"owner":"demo"}`, refused: "admin"},
	{as: "admin", tool: "create_api_key", args: `{"name":"spare","scopes":["read"],"owner":"demo"}`,
		want: `{` + spare + `,"is_active":true,"api_key":"@note"}`},
	{as: "admin", tool: "list_api_keys", args: `{}`, want: keys},
	{as: "approver", tool: "list_api_keys", args: `{}`, want: keys},
	{as: "admin", tool: "revoke_api_key", args: `{"key_id":"$key"}`, want: `{"status":"revoked"}`},
	{as: "approver", tool: "revoke_api_key", args: `{"key_id":"nothing"}`, refused: "no such key"},
	{as: "agent", tool: "revoke_api_key", args: `{"key_id":"nothing"}`, refused: "may not do that"},
	{as: "agent", tool: "create_api_key", args: `{"name":"spare","scopes":["read"]}`, want: waitsForCode,
		notes: []string{"approval_code"}},
	// Three codes in an hour are all that an agent may ask for.
	{as: "agent", tool: "create_mailbox", args: `{"address_local_part":"third"}`, refused: "within an hour"},
	{as: "agent", tool: "update_account", args: `{"name":"Eve Ltd"}`, refused: "within an hour"},
	{as: "agent", tool: "delete_account", args: `{}`, refused: "within an hour"},
	{as: "agent", tool: "manage_upgrade", args: `{"action":"request","target_mode":"autonomous"}`,
		refused: "within an hour"},
	{as: "agent", tool: "manage_upgrade", args: `{"action":"apply","code":"AAA-AAA-AAAA"}`, refused: "code"},
	{as: "agent", tool: "delete_contact", args: `{"contact_id":"nothing"}`, refused: "within an hour"},
	{as: "admin", tool: "delete_contact", args: `{"contact_id":"nothing"}`, refused: "no such contact"},
}

const isClosed = `{"status":"deleted","deleted_at":"@time","message":"@note"}`

// closingCalls are the last: there is no way back.
var closingCalls = []toolCall{
	{as: "admin", tool: "delete_account", args: `{}`, want: isClosed},
	{as: "admin", tool: "delete_account", args: `{}`, want: isClosed},
	{as: "admin", tool: "update_account", args: `{"name":"Eve Ltd"}`, refused: "closed"},
}
