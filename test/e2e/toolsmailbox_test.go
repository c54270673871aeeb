//go:build e2e

package e2e

import "time"

// settings are those of a mailbox that nobody has changed.
func settings(box, configured string) string {
	return `"id":"` + box + `","address":"` + box + `","oversight_mode":"gated_send","hold_seconds":604800,
		"agent_ref":"plain","agents":["demo"],"frozen":false,"legal_hold":false,"created_at":"@time",
		"default_gate_timing":"gate_first","scheduling_enabled":true,"mcp_configured":` + configured + `,
		"ai_disclosure":true`
}

var someday = `"send_at":"` + time.Now().UTC().AddDate(0, 1, 0).Format("2006-01-02T15:04:05Z") + `"`

const account = `{"name":"Example","oversight_email":"oversight@example.test","sending_disabled":false}`

var mailboxCalls = []toolCall{
	{as: "agent", tool: "configure_mailbox", args: `{}`, want: `{` + settings("$box", "true") + `}`},
	{as: "agent", tool: "configure_mailbox", args: `{"auto_bcc":"eve@far.test"}`, want: waitsForCode,
		notes: []string{"approval_code"}},
	{as: "agent", tool: "update_mailbox", args: `{"oversight_mode":"gated_send"}`,
		want: `{` + settings("$box", "true") + `}`},
	{as: "agent", tool: "manage_upgrade", args: `{"action":"request","target_mode":"autonomous"}`,
		want: `{"status":"upgrade_requested","message":"@note","oversight_mode":"gated_send","target_mode":"autonomous",
			"expires_at":"@time"}`},
	{as: "admin", tool: "configure_mailbox", args: `{"mailbox_id":"$box"}`, want: `{` + settings("$box", "true") + `}`},
	{as: "admin", tool: "update_mailbox", args: `{"mailbox_id":"$box","auto_cc":"eve@far.test"}`, refused: "loosens"},
	{as: "approver", tool: "configure_mailbox", args: `{"mailbox_id":"$box"}`, want: `{` + settings("$box", "true") + `}`},
	{as: "approver", tool: "update_mailbox", args: `{"mailbox_id":"$box","display_name":"Eve"}`, refused: "admin"},
	{as: "admin", tool: "create_mailbox", args: `{"address_local_part":"second","agents":["demo"]}`,
		want: `{` + settings("$second", "false") + `}`},
	{as: "admin", tool: "create_mailbox", args: `{"address_local_part":"second","agents":["demo"]}`,
		refused: "here already"},
	{as: "approver", tool: "delete_mailbox", args: `{"mailbox_id":"$second"}`, want: `{"status":"deleted"}`},
	{as: "admin", tool: "delete_mailbox", args: `{"mailbox_id":"$second"}`, refused: "no mailbox"},
	{as: "admin", tool: "update_account", args: `{"name":"Example"}`, want: account},
	{as: "approver", tool: "update_account", args: `{"name":"Eve Ltd"}`, refused: "admin"},

	{as: "agent", tool: "send_email", args: `{"to":["bob@far.test"],"subject":"Later","markdown":"Good.",` + someday + `}`,
		want: held("later")},
	{as: "agent", tool: "edit_scheduled_email", args: `{"email_id":"$later","subject":"Never"}`,
		refused: "scheduled for later"},
	// An edit voids the approval: another mail is held, which the old one does not let go.
	{as: "approver", tool: "decide_email", args: `{"email_id":"$later","action":"approve","digest":"$laterdigest"}`,
		want: `{"id":"$later","status":"approved","state":"ready"}`},
	{as: "agent", tool: "edit_scheduled_email", args: `{"email_id":"$later","to":["eve@far.test"]}`, want: edited,
		after: func(s *scene) {
			if s.vars["edited"] == s.vars["later"] || s.vars["editeddigest"] == s.vars["laterdigest"] {
				s.Errorf("after the edit: %v", s.vars)
			}
			s.is("later", "cancelled")
			s.is("edited", "held")
		}},
	{as: "approver", tool: "decide_email", args: `{"email_id":"$later","action":"approve","digest":"$laterdigest"}`,
		refused: "cancelled"},
	{as: "approver", tool: "decide_email", args: `{"email_id":"$edited","action":"approve","digest":"$laterdigest"}`,
		refused: "digest does not match"},
	{as: "agent", tool: "edit_scheduled_email", args: `{"email_id":"$later","subject":"Never"}`, refused: "replaced by"},
	{as: "approver", tool: "decide_email", args: `{"email_id":"$edited","action":"approve","digest":"$editeddigest"}`,
		want: `{"id":"$edited","status":"approved","state":"ready"}`},
	{as: "agent", tool: "cancel_message", args: `{"email_id":"$edited"}`,
		want: `{"id":"$edited","status":"cancelled","thread_id":"$edited"}`},
}

const edited = `{"id":"$edited","status":"pending_send_approval","thread_id":"$edited","digest":"$editeddigest",
	"message":"@note","replaces":"$later"}`

// is fails unless a mail stands in a state.
func (s *scene) is(name, state string) {
	s.Helper()
	if got := s.h.state(s.vars[name]); got != state {
		s.Errorf("%s is %s, want %s", name, got, state)
	}
}
