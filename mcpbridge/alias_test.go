package mcpbridge

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestEarlierNamesStandForToolsAndAreNotListed(t *testing.T) {
	for _, c := range []struct{ name, args, tool, means, wrong string }{
		{"send_email", `{"a":1}`, "send_email", `{"a":1}`, ""},
		{"schedule_email", `{"send_at":"x"}`, "send_email", `{"send_at":"x"}`, ""},
		{"schedule_email", `{}`, "schedule_email", `{}`, "the argument send_at is missing"},
		{"report_spam", `{"email_id":"1"}`, "manage_spam_status", `{"action":"report","email_id":"1"}`, ""},
		{"not_spam", `{"email_id":"1","action":"report"}`, "manage_spam_status", `{"action":"clear","email_id":"1"}`, ""},
		{"tag_email", `{"action":"get","email_id":"1"}`, "get_tags", `{"email_id":"1"}`, ""},
		{"tag_email", `{"action":"drop"}`, "tag_email", `{"action":"drop"}`, "action must be one of delete, get, set"},
		{"tag_email", `{"action":["get"]}`, "tag_email", `{"action":["get"]}`, "action must be one of delete, get, set"},
		{"check_suppression", ``, "list_suppression", `{}`, ""},
		{"check_suppression", `null`, "list_suppression", `{}`, ""},
		{"check_suppression", `[]`, "check_suppression", `[]`, "the arguments must be an object"},
		{"apply_upgrade", `{"code":"1"}`, "manage_upgrade", `{"action":"apply","code":"1"}`, ""},
	} {
		tool, args, wrong := current(c.name, json.RawMessage(c.args))
		if tool != c.tool || string(args) != c.means || wrong != c.wrong {
			t.Errorf("%s %s: got %s %s %q", c.name, c.args, tool, args, wrong)
		}
	}
	for name := range aliases {
		for _, tool := range Tools() {
			if tool.op.Name == name {
				t.Errorf("%s is a tool and an alias", name)
			}
		}
	}
	f := newAPI(t)
	c := f.over(f.serve(), "mm_agent", nil)
	f.on("GET "+mails+"/01M/tags", 200, `{"tags":{"a":"b"}}`)
	got := c.call("tag_email", `{"action":"get","email_id":"01M"}`)
	if got.failed || !strings.Contains(got.data, `"a":"[untrusted `) {
		t.Errorf("%+v", got)
	}
	if strings.Contains(c.names(), "tag_email") {
		t.Error("an alias is listed")
	}
}

// No alias is a way around a scope.
func TestAnEarlierNameNeedsTheScopeOfItsTool(t *testing.T) {
	d := newDoor(t, someIdentities())
	for call, status := range map[string]int{
		`{"name":"schedule_email","arguments":{"send_at":"x"}}`:            http.StatusForbidden,
		`{"name":"tag_email","arguments":{"action":"set","email_id":"1"}}`: http.StatusForbidden,
		`{"name":"manage_suppression","arguments":{"action":"check"}}`:     http.StatusOK,        // unknown to an agent
		`{"name":"manage_contacts","arguments":{"action":"delete"}}`:       http.StatusForbidden, // by a code
	} {
		w := directly(t.Context(), d, "POST", "reader", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+call+`}`)
		if w.Code != status || status == 200 && !strings.Contains(w.Body.String(), "unknown tool") {
			t.Errorf("%s: %d %s", call, w.Code, w.Body)
		}
	}
}

func TestAProfileLeavesToolsOutAndGivesNone(t *testing.T) {
	f := newAPI(t)
	url := f.serve()
	all := f.over(url, "mm_agent", nil).names()
	if got := f.over(url+"?profile=full", "mm_agent", nil).names(); got != all {
		t.Errorf("full has %s", got)
	}
	for _, profile := range []string{"send", "inbox"} {
		c := f.over(url+"?profile="+profile, "mm_agent", nil)
		names := strings.Fields(c.names())
		if len(names) == 0 || len(names) > 15 {
			t.Errorf("%s has %d tools", profile, len(names))
		}
		for _, name := range names {
			if !strings.Contains(" "+all+" ", " "+name+" ") {
				t.Errorf("%s gives %s", profile, name)
			}
		}
		if _, err := c.s.CallTool(t.Context(), &mcp.CallToolParams{Name: "get_account"}); err == nil {
			t.Errorf("%s calls what it does not list", profile)
		}
	}
	if got := f.over(url+"?profile=inbox", "mm_approver", nil).names(); strings.Contains(got, "send") ||
		strings.Contains(got, "decide_email") {
		t.Errorf("an approver with the profile inbox sees %s", got)
	}
	resp, body := post(t, url+"?profile=none", listTools, "Authorization", "Bearer mm_agent")
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "send, inbox and full") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for name, tools := range profiles {
		if name == "send" && len(tools) > 15 {
			t.Errorf("send has %d tools", len(tools))
		}
	}
}
