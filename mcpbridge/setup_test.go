package mcpbridge

import (
	"slices"
	"strings"
	"testing"
)

func TestWhoUsesAMailboxThatNobodyHasConfiguredIsAskedTo(t *testing.T) {
	for _, configured := range []bool{false, true} {
		f := newAPI(t)
		f.on(sending, 202, `{"id":"01X","status":"queued"}`)
		f.on("GET "+mails, 200, `{"emails":[]}`)
		flag := map[bool]string{true: "true", false: "false"}[configured]
		f.on("GET /v1/mailboxes/bot@a.example", 200, `{"id":"bot@a.example","oversight_mode":"gated_send",`+
			`"auto_bcc":"watch@a.example","default_gate_timing":"gate_first","mcp_configured":`+flag+`}`)
		c := f.connect(everybody, "")
		for tool, args := range map[string]string{"send_email": letter, "check_inbox": `{}`} {
			s := c.call(tool, args)
			nudged := slices.ContainsFunc(s.blocks, func(b string) bool {
				return strings.Contains(b, `"setup_required": true`) && strings.Contains(b, `"auto_bcc": "watch@a.example"`)
			})
			if s.failed || nudged == configured {
				t.Errorf("%s, configured %s: %q", tool, flag, s.blocks)
			}
		}
	}
}
