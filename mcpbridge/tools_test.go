package mcpbridge

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/multimail/multimail/httpd/api"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everybody holds every scope, which no real key does.
var everybody = api.Identity{Kind: "agent", Scopes: []string{"read", "send", "oversight", "admin"},
	Mailboxes: []string{box}}

func TestEveryToolIsAsItsGoldenFileSays(t *testing.T) {
	tools := newAPI(t).connect(everybody, "").tools()
	for _, tool := range tools {
		got, err := json.MarshalIndent(tool, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		golden := filepath.Join("testdata", "tools", tool.Name+".json")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s (-update rewrites it):\n%s", tool.Name, golden, cmp.Diff(string(want), string(got)))
		}
	}
	files, err := filepath.Glob("testdata/tools/*.json")
	if err != nil || len(files) != len(tools) || len(tools) != len(Tools()) {
		t.Errorf("%d golden files of %d tools of %d, %v", len(files), len(tools), len(Tools()), err)
	}
}

// requestOf is what a call of each tool with argsOf asks the API.
var requestOf = map[string]string{
	"send_email": sending, "reply_email": "POST /v1/mailboxes/bot@a.example/reply/01X",
	"list_spam": "GET /v1/emails", "manage_spam_status": "POST /v1/emails/01X/report-spam",
	"list_mailboxes": "GET /v1/mailboxes", "check_inbox": "GET " + mails,
	"download_attachment": "GET " + mails + "/01X/attachments/a.pdf?json=1",
	"read_email":          "GET " + mails + "/01X", "cancel_message": "POST " +
		mails + "/01X/cancel", "get_usage": "GET /v1/usage",
	"wait_for_email": "GET /v1/mailboxes/bot@a.example/wait?timeout_seconds=30", "decide_email": "POST /v1/oversig" +
		"ht/decide",
	"list_pending": "GET /v1/oversight/pending?limit=20", "get_account": "GET /v1/account", "get_audit_log": "GET " +
		"/v1/audit-log",
	"get_thread": "GET /v1/mailboxes/bot@a.example/threads/01T", "get_tags": "GET " + mails + "/01X/tags",
	"set_tags": "PUT " + mails + "/01X/tags", "delete_tag": "DELETE " + mails + "/01X/tags/k",
	"search_contacts": "GET /v1/contacts", "add_contact": "POST /v1/contacts",
	"delete_contact": "DELETE /v1/contacts/01C", "list_suppression": "GET /v1/suppression",
	"remove_suppression": "DELETE /v1/suppression/a@b.example",
	"configure_mailbox":  "PATCH /v1/mailboxes/bot@a.example/configure",
	"update_mailbox":     "PATCH /v1/mailboxes/bot@a.example", "create_mailbox": "POST /v1/mailboxes",
	"edit_scheduled_email": "PATCH " + mails + "/01X/schedule",
	"delete_mailbox":       "DELETE /v1/mailboxes/bot@a.example",
	"list_allowlist":       "GET /v1/mailboxes/bot@a.example/allowlist", "list_api_keys": "GET /v1/api-keys",
	"add_allowlist_entry":    "POST /v1/mailboxes/bot@a.example/allowlist",
	"remove_allowlist_entry": "DELETE /v1/mailboxes/bot@a.example/allowlist/E", "create_api_key": "POST /v1/api-keys",
	"revoke_api_key": "DELETE /v1/api-keys/K", "update_account": "PATCH /v1/account",
	"delete_account": "DELETE /v1/account",
	"manage_upgrade": "POST /v1/mailboxes/bot@a.example/request-upgrade",
	"create_webhook": "POST /v1/webhooks", "list_webhooks": "GET /v1/webhooks",
	"delete_webhook": "DELETE /v1/webhooks/01W",
}

// argsOf are arguments of each tool.
var argsOf = map[string]string{"send_email": letter, "read_email": `{"email_id":"01X"}`,
	"reply_email": `{"email_id":"01X","markdown":"m"}`, "list_spam": `{}`,
	"manage_spam_status":  `{"email_id":"01X","action":"report"}`,
	"cancel_message":      `{"email_id":"01X"}`,
	"download_attachment": `{"email_id":"01X","filename":"a.pdf"}`,
	"decide_email":        `{"email_id":"01X","action":"reject"}`, "list_mailboxes": `{}`, "check_inbox": `{}`,
	"get_usage":      `{}`,
	"wait_for_email": `{}`, "list_pending": `{}`, "get_account": `{}`, "get_audit_log": `{}`,
	"get_thread": `{"thread_id":"01T"}`, "get_tags": `{"email_id":"01X"}`,
	"set_tags":   `{"email_id":"01X","tags":{"k":"v"}}`,
	"delete_tag": `{"email_id":"01X","key":"k"}`, "search_contacts": `{}`,
	"add_contact": `{"name":"Ada","email":"ada@b.example"}`, "delete_contact": `{"contact_id":"01C"}`,
	"list_suppression": `{}`, "remove_suppression": `{"email_address":"a@b.example"}`,
	"configure_mailbox": `{}`, "update_mailbox": `{}`, "create_mailbox": `{"address_local_part":"new"}`,
	"edit_scheduled_email": `{"email_id":"01X","subject":"s"}`,
	"delete_mailbox":       `{"mailbox_id":"bot@a.example"}`,
	"list_allowlist":       `{}`, "add_allowlist_entry": `{"pattern":"a@b.example"}`,
	"remove_allowlist_entry": `{"entry_id":"E"}`, "list_api_keys": `{}`, "revoke_api_key": `{"key_id":"K"}`,
	"create_api_key": `{"name":"n","scopes":["read"]}`, "update_account": `{"name":"n"}`,
	"delete_account": `{}`,
	"manage_upgrade": `{"action":"request","target_mode":"monitored"}`,
	"create_webhook": `{"url":"https://x.test/","events":["message.sent"]}`,
	"list_webhooks":  `{}`, "delete_webhook": `{"webhook_id":"01W"}`}

// Clients check the data of a tool against its schema, and drop the answer
// where it does not fit.
func TestTheDataOfEveryToolFitsItsSchema(t *testing.T) {
	f := newAPI(t)
	f.on("GET /v1/oversight/pending/01X", 200,
		`{"id":"01X","segments":[{"kind":"text","text":"x"}],"links":[{}],"decisions":[{}]}`)
	c := f.connect(everybody, "")
	for _, tool := range c.tools() {
		var schema jsonschema.Schema
		if err := json.Unmarshal([]byte(encode(t, tool.OutputSchema)), &schema); err != nil {
			t.Fatal(err)
		}
		schema.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}} // the outermost names are all there are
		resolved, err := schema.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, answer := range []string{`{}`, `{"id":"01X","emails":[{"id":"01X","to":["a@b.example"]}],` +
			`"entries":[{"facts":{"a":"b"}}],"mailboxes":[{}],"suppressions":[{}],"subscriptions":[{}]}`} {
			if tool.Name == "create_api_key" { // its mailboxes are addresses
				answer = strings.ReplaceAll(answer, `"mailboxes":[{}],`, "")
			}
			f.on(requestOf[tool.Name], 200, answer)
			s := c.call(tool.Name, argsOf[tool.Name])
			var data any
			if err := json.Unmarshal([]byte(s.data), &data); err != nil || s.failed {
				t.Fatalf("%s: %v in %v", tool.Name, err, s)
			}
			if err := resolved.Validate(data); err != nil {
				t.Errorf("%s: %v in %s", tool.Name, err, s.data)
			}
		}
	}
}

// Some clients cut a schema off at what they do not know.
func TestSchemasHoldNothingThatClientsCannotRead(t *testing.T) {
	for _, tool := range newAPI(t).connect(everybody, "").tools() {
		var schema map[string]any
		if err := json.Unmarshal([]byte(encode(t, tool.InputSchema)), &schema); err != nil {
			t.Fatal(err)
		}
		portable(t, tool.Name, schema)
		if kind, ok := schema["additionalProperties"].(bool); !ok || kind {
			t.Errorf("%s takes unknown arguments", tool.Name)
		}
		for _, word := range []string{"$ref", "$defs", "anyOf", "oneOf", "allOf", "null"} {
			if strings.Contains(encode(t, tool.OutputSchema), `"`+word+`"`) {
				t.Errorf("the data of %s has %s", tool.Name, word)
			}
		}
	}
}

// portable walks a schema.
func portable(t *testing.T, at string, schema map[string]any) {
	t.Helper()
	for _, word := range []string{"$ref", "$defs", "anyOf", "oneOf", "allOf", "exclusiveMinimum", "exclusiveMaximum"} {
		if schema[word] != nil {
			t.Errorf("%s has %s", at, word)
		}
	}
	kind, one := schema["type"].(string)
	if !one {
		t.Errorf("%s: the type is %v", at, schema["type"])
	}
	words, _ := schema["additionalProperties"].(map[string]any)
	if kind == "object" && schema["additionalProperties"] != false && words["type"] != "string" {
		t.Errorf("%s takes unknown arguments", at)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		portable(t, at+"[]", items)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		p, ok := p.(map[string]any)
		if !ok || p["description"] == nil {
			t.Errorf("%s.%s is not described: %v", at, name, p)
			continue
		}
		portable(t, at+"."+name, p)
	}
}

func TestRequiredArgumentsAreThoseWithoutWhichACallMeansNothing(t *testing.T) {
	want := map[string]string{
		"send_email": "markdown subject to", "read_email": "email_id",
		"cancel_message": "email_id", "edit_scheduled_email": "email_id", "decide_email": "action email_id",
		"get_thread": "thread_id", "get_tags": "email_id", "set_tags": "email_id tags", "delete_tag": "email_id key",
		"add_contact": "email name", "delete_contact": "contact_id",
		"remove_suppression":  "email_address",
		"add_allowlist_entry": "pattern", "remove_allowlist_entry": "entry_id", "create_api_key": "name scopes",
		"revoke_api_key": "key_id", "manage_upgrade": "action",
		"create_webhook": "events url", "delete_webhook": "webhook_id",
		"create_mailbox": "address_local_part", "delete_mailbox": "mailbox_id",
		"download_attachment": "email_id filename",
		"reply_email":         "email_id markdown", "manage_spam_status": "action email_id",
	}
	for _, tool := range newAPI(t).connect(everybody, "").tools() {
		var schema struct{ Required []string }
		if err := json.Unmarshal([]byte(encode(t, tool.InputSchema)), &schema); err != nil {
			t.Fatal(err)
		}
		slices.Sort(schema.Required)
		if got := strings.Join(schema.Required, " "); got != want[tool.Name] {
			t.Errorf("%s requires %q, want %q", tool.Name, got, want[tool.Name])
		}
	}
}

func TestUnknownOrMissingArgumentsAreRefusedAndTheAPIIsNotAsked(t *testing.T) {
	f := newAPI(t)
	c := f.connect(everybody, "")
	for tool, args := range map[string]string{
		"send_email":     `{"to":["a@b.example"],"subject":"s","markdown":"m","from":"ceo@a.example"}`,
		"cancel_message": `{}`,
		"read_email":     `{"email_id":7}`,
		"check_inbox":    `{"Limit":5}`,
		"wait_for_email": `{"filter":{"from":"x"}}`,
		"decide_email":   `{"email_id":"01X"}`,
		"list_mailboxes": `{"all":true}`,
	} {
		if s := c.call(tool, args); !s.failed {
			t.Errorf("%s takes %s: %v", tool, args, s)
		}
	}
	if s := c.call("send_email", `{"to":["a@b.example"],"subject":"s","markdown":"m","attachments":[{"name":"x",`+
		`"path":"/etc/passwd"}]}`); !s.failed {
		t.Errorf("an attachment with a path: %v", s)
	}
	if asked := f.asked(); len(asked) != 0 {
		t.Errorf("the API was asked %q", asked)
	}
}
