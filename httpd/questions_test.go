package httpd

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

// questions is what an agent asks of one operation. In queries, bodies and arguments a word
// in capitals stands for many values: see story.values.
type questions struct {
	queries []string
	bodies  []string
	tool    []string // arguments
	late    bool     // it ends what other questions are about
}

var simple = questions{queries: []string{""}}

// asked says of every operation that an agent may call how it is asked. An operation that
// is added to the table fails the test until it stands here.
var asked = map[string]questions{
	"get_health": simple, "get_signing_key": simple, "get_jwks": simple, "get_mta_sts": simple, "get_swagger": simple,
	"get_swagger_mcp": simple, "get_docs": simple,
	"get_verify_page": simple, "whoami": simple, "get_file": simple, "get_attachment": simple,
	"get_attachment_url": simple, "get_mailbox": simple,
	"list_allowlist": {queries: []string{""}, tool: []string{`{}`}},
	"list_mailboxes": {queries: []string{""}, tool: []string{`{}`}},
	"get_account":    {queries: []string{""}, tool: []string{`{}`}},
	"wait_for_email": {
		queries: []string{"?timeout_seconds=5", "?timeout_seconds=5&since_id=SEEN", "?timeout_seconds=5&since_id=DARK",
			"?timeout_seconds=5&sender=carol", "?timeout_seconds=5&subject_contains=big"},
		tool: []string{`{"timeout_seconds":5}`, `{"timeout_seconds":5,"filter":{"sender":"carol"}}`}},
	"check_inbox": {
		queries: []string{"", "?limit=1", "?limit=3", "?direction=inbound&limit=2", "?direction=outbound&limit=2",
			"?status=unread&limit=2", "?status=read", "?status=archived", "?status=deleted", "?status=spam_flagged",
			"?status=pending_inbound_approval", "?status=pending_send_approval", "?status=rejected", "?status=expired",
			"?sender=carol&limit=1", "?sender=dave",
			"?subject_contains=plans&limit=2", "?subject_contains=flood", "?has_attachments=true&limit=1",
			"?date_after=2026-01-02T04:00:00Z", "?date_before=2026-01-02T05:00:00Z", "?query=budget&limit=1",
			"?query=secretword", "?query=goneword", "?query=from:carol", "?query=has:attachment&limit=2",
			"?query=-secretword+budget", "?query=flood", "?since_id=DARK", "?cursor=DARK", "?since_id=SEEN&limit=2",
			"?cursor=SEEN&limit=2", "?query=budget&cursor=DARK", "?query=budget&since_id=DARK"},
		tool: []string{`{}`, `{"limit":1}`, `{"status":"unread"}`, `{"query":"budget","limit":2}`, `{"query":"secretword"}`,
			`{"sender":"carol"}`, `{"has_attachments":true}`, `{"cursor":"DARK"}`, `{"since_id":"DARK"}`,
			`{"status":"pending_inbound_approval"}`, `{"subject_contains":"flood"}`}},
	"read_email": {queries: []string{"", "?wait_seconds=1"},
		tool: []string{`{"email_id":"MAIL"}`, `{"email_id":"MAIL","wait_seconds":1}`}},
	"get_thread": {queries: []string{"", "?limit=1", "?cursor=LAST"},
		tool: []string{`{"thread_id":"MAIL"}`, `{"thread_id":"MAIL","limit":2}`}},
	"get_tags": {queries: []string{""}, tool: []string{`{"email_id":"MAIL"}`}},
	"download_attachment": {queries: []string{"?json=1"},
		tool: []string{`{"email_id":"MAIL","filename":"plan.pdf"}`}},
	"get_usage": {queries: []string{"", "?from=2026-01-02T03:04:00Z&to=2026-01-02T09:00:00Z"},
		tool: []string{`{}`, `{"period":"summary"}`, `{"period":"daily"}`}},
	"search_contacts": {queries: []string{"?q=carol", "?q=", "?q=dave"}, tool: []string{`{}`, `{"query":"carol"}`}},
	"list_spam": {queries: []string{"", "?status=spam_quarantined", "?status=spam_flagged&limit=1", "?cursor=DARK"},
		tool: []string{`{}`, `{"status":"spam_quarantined"}`, `{"cursor":"DARK"}`}},
	"verify_mail": {queries: []string{""}, bodies: []string{`{"mail":"RnJvbTogYUBiLmV4YW1wbGUNCg0KaGkNCg=="}`}},

	"send_any": {queries: []string{""}, bodies: []string{`{"from":"` + bot + `",` + draft[1:]}},
	"send_email": {queries: []string{""},
		bodies: []string{draft, `{"in_reply_to":"<NAMED>",` + draft[1:],
			`{"to":["carol@c.example"],"subject":"Re: Plans","markdown":"x","references":["<first@b.example>","<NAMED>"]}`,
			`{"to":["carol@c.example"],"subject":"Re: Fresh start","markdown":"x"}`,
			`{"to":["carol@c.example"],"subject":"Flood","markdown":"x","idempotency_key":"k"}`},
		tool: []string{`{"to":["carol@c.example"],"subject":"Big","markdown":"x","in_reply_to":"<NAMED>"}`}},
	"reply_email": {queries: []string{""}, bodies: []string{`{"markdown":"Yes.","quote":true}`},
		tool: []string{`{"email_id":"MAIL","markdown":"Yes."}`}},
	"set_tags": {queries: []string{""}, bodies: []string{`{"tags":{"topic":"plans"}}`},
		tool: []string{`{"email_id":"MAIL","tags":{"kind":"x"}}`}},
	"delete_tag": {queries: []string{""}, tool: []string{`{"email_id":"MAIL","key":"topic"}`}},
	"add_contact": {queries: []string{""}, bodies: []string{`{"name":"Carol","email":"carol@c.example"}`},
		tool: []string{`{"name":"Dave","email":"dave0@d.example"}`}},
	"update_email": {queries: []string{""},
		bodies: []string{`{"status":"archived"}`, `{"status":"deleted"}`, `{"status":"unread"}`}},

	"edit_scheduled_email": {queries: []string{""}, bodies: []string{`{"subject":"x"}`}, late: true,
		tool: []string{`{"email_id":"LAST","subject":"x"}`, `{"email_id":"DARK","subject":"x"}`}},
	// By a code: what an agent asks for is not looked at until its operator has said yes.
	"clear_spam_status": {queries: []string{""}, bodies: []string{`{"digest":"` + strings.Repeat("0", 64) + `"}`,
		`{"digest":"` + strings.Repeat("0", 64) + `","approval_code":"AAA-AAA-AAAA"}`}},
	"create_mailbox": {queries: []string{""}, bodies: []string{`{"address":"new@a.example","agents":["bot"]}`},
		tool: []string{`{"address_local_part":"new","agents":["bot"]}`}},
	"add_allowlist_entry": {queries: []string{""}, bodies: []string{`{"pattern":"carol@c.example"}`},
		tool: []string{`{"pattern":"*@c.example"}`}},
	"update_account": {queries: []string{""}, bodies: []string{`{"name":"Another"}`}, tool: []string{`{"name":"Other"}`}},
	"create_api_key": {queries: []string{""}, bodies: []string{`{"name":"n","scopes":["read"]}`},
		tool: []string{`{"name":"n","scopes":["send"]}`}},
	"create_webhook": {queries: []string{""},
		bodies: []string{`{"url":"https://hooks.invalid.test/x","events":["message.received"]}`},
		tool:   []string{`{"url":"https://hooks.invalid.test/y","events":["message.received"]}`}},
	"remove_suppression": {queries: []string{""}, tool: []string{`{"email_address":"carol@c.example"}`}},
	"delete_contact":     {queries: []string{""}, tool: []string{`{"contact_id":"nothing"}`}},
	"manage_upgrade": {queries: []string{""}, bodies: []string{`{"target_mode":"autonomous"}`},
		tool: []string{`{"action":"request","target_mode":"monitored"}`, `{"action":"apply","code":"AAA-AAA-AAAA"}`}},
	"apply_upgrade": {queries: []string{""}, bodies: []string{`{"code":"AAA-AAA-AAAA"}`}},

	"cancel_message": {queries: []string{""}, tool: []string{`{"email_id":"LAST"}`, `{"email_id":"DARK"}`}, late: true},
	"manage_spam_status": {queries: []string{""}, late: true,
		tool: []string{`{"email_id":"LAST","action":"report"}`, `{"email_id":"DARK","action":"report"}`,
			`{"email_id":"DARK","action":"clear","digest":"` + strings.Repeat("0", 64) + `"}`}},
	"remove_allowlist_entry": {queries: []string{""}, tool: []string{`{"entry_id":"nothing"}`}, late: true},
	"update_mailbox": {queries: []string{""}, bodies: []string{`{"oversight_mode":"gated_all"}`}, late: true,
		tool: []string{`{"oversight_mode":"gated_all"}`}},
	"configure_mailbox": {queries: []string{""}, bodies: []string{`{"scheduling_enabled":false}`}, late: true,
		tool: []string{`{}`}},
	"update_api_key": {queries: []string{""}, bodies: []string{`{"name":"n"}`, `{"scopes":["read"]}`}, late: true},
	"delete_account": {queries: []string{""}, tool: []string{`{}`}, late: true},
	"revoke_api_key": {queries: []string{""}, tool: []string{`{"key_id":"nothing"}`}, late: true},
	"end_grant":      {queries: []string{""}, late: true},
	"start_freeze":   {queries: []string{""}, bodies: []string{`{"scope":"mailbox:` + bot + `"}`}, late: true},
}

// values are what a word in capitals stands for.
func (s *story) values(word string) (out []string) {
	all := s.ids()
	switch word {
	case "SEEN":
		all = s.seen
	case "DARK":
		all = s.dark
	case "LAST":
		all = s.last
	case "NAMED":
		return append(slices.Clone(darkIDs), "hello@b.example", "gone0@d.example")
	}
	for _, id := range all {
		out = append(out, string(id))
	}
	return out
}

// expand puts every value in the place of the words of a text.
func (s *story) expand(text string) []string {
	out := []string{text}
	for _, word := range []string{"SEEN", "DARK", "LAST", "MAIL", "NAMED"} {
		if strings.Contains(text, word) {
			var next []string
			for _, t := range out {
				for _, v := range s.values(word) {
					next = append(next, strings.ReplaceAll(t, word, v))
				}
			}
			out = next
		}
	}
	return out
}

// paths fills in what stands in braces.
func (s *story) paths(op *api.Operation) []string {
	out := []string{op.Path}
	box := []string{bot}
	switch {
	case strings.HasPrefix(op.Path, "/v1/api-keys/"):
		box = []string{"nothing"}
	case !strings.HasPrefix(op.Path, "/v1/mailboxes/"):
		box = s.values("DARK")
	}
	for name, values := range map[string][]string{
		"id": box, "email": s.values("MAIL"), "thread": s.values("MAIL"), "key": {"topic"}, "filename": {"plan.pdf"},
		"ticket": append(slices.Clone(s.tickets), "nothing"), "entry": {"nothing"}, "name": {"nothing"},
		"address": {"carol@c.example"}, "token": {"nothing"}, "contact": s.values("DARK"), "domain": {"a.example"},
	} {
		var next []string
		for _, p := range out {
			if !strings.Contains(p, "{"+name+"}") {
				next = append(next, p)
				continue
			}
			for _, v := range values {
				next = append(next, strings.ReplaceAll(p, "{"+name+"}", url.PathEscape(v)))
			}
		}
		out = next
	}
	slices.Sort(out)
	if strings.Contains(out[0], "{") {
		s.Errorf("%s: say in paths what stands in the braces", op)
	}
	return out
}

// askOperation asks all there is to ask of an operation over REST, and follows the cursors
// of lists to their end.
func (s *story) askOperation(as string, op *api.Operation, q questions) {
	s.Helper()
	if op.HasBody() != (len(q.bodies) > 0) {
		s.Errorf("%s: say what an agent sends, if anything", op)
	}
	for _, path := range s.paths(op) {
		for _, query := range q.queries {
			for _, target := range s.expand(path + query) {
				for _, text := range append(q.bodies, "")[:max(len(q.bodies), 1)] {
					for _, body := range s.expand(text) {
						r := s.ask(as, op.Method, target, body)
						s.good[op.Name] = s.good[op.Name] || r.status < 300
						s.follow(target, r, as)
					}
				}
			}
		}
	}
}

// follow asks for the pages behind an answer.
func (s *story) follow(target string, r reply, as string) {
	s.Helper()
	for n := 0; r.status == 200; n++ {
		var page struct{ Cursor string }
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || page.Cursor == "" {
			return
		}
		if n == 200 {
			s.Fatalf("%s: its pages do not end", target)
		}
		path, query, _ := strings.Cut(target, "?")
		v, err := url.ParseQuery(query)
		if err != nil {
			s.Fatal(err)
		}
		v.Set("cursor", page.Cursor)
		r = s.ask(as, "GET", path+"?"+v.Encode(), "")
	}
}

// askTool calls a tool of MCP.
func (s *story) askTool(as string, op *api.Operation, q questions) {
	s.Helper()
	if len(q.tool) == 0 {
		s.Errorf("%s: say with what an agent calls the tool", op)
	}
	for _, text := range q.tool {
		for _, args := range s.expand(text) {
			r := s.rpc(as, "tools/call", `{"name":"`+op.Name+`","arguments":`+args+`}`)
			tool := "the tool " + op.Name
			s.good[tool] = s.good[tool] || r.status == 200 && !strings.Contains(r.body, `"isError":true`)
		}
	}
}

// rpc makes one request of MCP.
func (s *story) rpc(as, method, params string) reply {
	s.Helper()
	return s.ask(as, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)
}

// methods are what a client may ask of an MCP server beside its tools. There are no
// resources and no subscriptions, which is the same in both runs too.
func (s *story) methods(as string) {
	s.Helper()
	s.rpc(as, "ping", "{}")
	s.rpc(as, "tools/list", "{}")
	s.rpc(as, "resources/list", "{}")
	s.rpc(as, "resources/templates/list", "{}")
	s.rpc(as, "prompts/list", "{}")
	for _, uri := range s.expand("multimail://mailboxes/" + bot + "/emails/DARK") {
		s.rpc(as, "resources/read", `{"uri":"`+uri+`"}`)
		s.rpc(as, "resources/subscribe", `{"uri":"`+uri+`"}`)
	}
}

// operations returns those that a credential may call, in the order in which they are
// asked: what waits for mail that is unread, what reads, what writes, what ends things.
// Every other operation is asked once, which must be refused.
func (s *story) operations(as string) (stages [4][]*api.Operation, refused []*api.Operation) {
	s.Helper()
	held := s.scopes(as)
	for _, op := range api.Operations.Operations() {
		if reach := op.Reach(); !op.Public && len(reach) > 0 &&
			!slices.ContainsFunc(reach, func(scope string) bool { return slices.Contains(held, scope) }) {
			refused = append(refused, op)
			continue
		}
		q, known := asked[op.Name]
		stage := 2
		switch {
		case !known:
			s.Errorf("%s: say in asked how an agent asks", op)
			continue
		case op.Waits == "timeout_seconds":
			stage = 0
		case q.late:
			stage = 3
		case op.Method == "GET":
			stage = 1
		}
		stages[stage] = append(stages[stage], op)
	}
	return stages, refused
}

// read asks everything that changes nothing but what counts as read.
func (s *story) read(as string) {
	s.Helper()
	stages, _ := s.operations(as)
	for _, op := range slices.Concat(stages[0], stages[1]) {
		s.askOperation(as, op, asked[op.Name])
		if op.Tool != nil {
			s.askTool(as, op, asked[op.Name])
		}
	}
	s.methods(as)
}

// write asks everything else; ending what ends things too.
func (s *story) write(as string, ending bool) {
	s.Helper()
	stages, refused := s.operations(as)
	list := stages[2]
	if ending {
		list = stages[3]
	}
	for _, op := range list {
		if op.Tier.ByCode() || op == api.RequestUpgrade.Operation {
			s.pass(time.Hour) // or no more codes are sent
		}
		if op.Tool != nil { // first: over REST it may be frozen
			s.askTool(as, op, asked[op.Name])
		}
		s.askOperation(as, op, asked[op.Name])
	}
	for _, op := range refused {
		body := ""
		if op.HasBody() {
			body = "{}"
		}
		if r := s.ask(as, op.Method, s.paths(op)[0], body); r.status != 403 {
			s.Errorf("%s as %s: %d %s", op, as, r.status, r.body)
		}
	}
}

// unanswered are operations whose questions here have no answer but a refusal: there is no
// such host, entry, key, code or scheduled mail.
var unanswered = []string{"get_mta_sts", "remove_allowlist_entry", "revoke_api_key", "update_api_key", "end_grant",
	"edit_scheduled_email", "the tool edit_scheduled_email",
	"apply_upgrade", "the tool remove_allowlist_entry", "the tool revoke_api_key"}

// answered demands that every operation was answered at least once: what is refused in
// both runs compares nothing.
func (s *story) answered() {
	s.Helper()
	for name, good := range s.good {
		if !good && !slices.Contains(unanswered, name) {
			s.Errorf("%s: no question had an answer", name)
		}
	}
}
