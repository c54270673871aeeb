//go:build e2e

package e2e

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// agentTools are what a key sees that reads and sends, in their fixed order.
var agentTools = strings.Fields(`add_allowlist_entry add_contact cancel_message check_inbox configure_mailbox
	create_api_key create_mailbox create_webhook delete_account delete_contact delete_tag
	download_attachment edit_scheduled_email get_account get_tags get_thread get_usage
	list_allowlist list_mailboxes list_spam manage_spam_status manage_upgrade read_email
	remove_allowlist_entry remove_suppression reply_email revoke_api_key search_contacts
	send_email set_tags update_account update_mailbox wait_for_email`)

// keyed carries a key, and tells when a request has been written.
type keyed struct {
	key   string
	wrote chan struct{} // nil: nobody asks
}

func (k *keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if k.wrote != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { k.wrote <- struct{}{} },
		})
	}
	r = r.Clone(ctx)
	r.Header.Set("Authorization", "Bearer "+k.key)
	return http.DefaultTransport.RoundTrip(r)
}

// mcpClient speaks to /mcp with one key.
type mcpClient struct {
	t *testing.T
	s *mcp.ClientSession
	k *keyed
}

func (h *daemon) mcp(key string) *mcpClient {
	h.t.Helper()
	k := &keyed{key: key}
	s, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(context.Background(),
		&mcp.StreamableClientTransport{Endpoint: h.dev.HTTP + "/mcp", HTTPClient: &http.Client{Transport: k},
			DisableStandaloneSSE: true}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return &mcpClient{h.t, s, k}
}

func (c *mcpClient) tools() []string {
	c.t.Helper()
	l, err := c.s.ListTools(c.t.Context(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return names(l.Tools)
}

func names(tools []*mcp.Tool) (names []string) {
	for _, tool := range tools {
		names = append(names, tool.Name)
	}
	return names
}

// mcpMail is what the tools tell of a mail, those fields that these tests read.
type mcpMail struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	ThreadID   string `json:"thread_id"`
	Digest     string `json:"digest"`
	Idempotent bool   `json:"idempotent"`
	Decision   *struct{ Verdict, Reason string }
	Emails     []mcpMail `json:"emails"`
	text       string    // of all blocks
	failed     bool
}

// call calls a tool; an error of the protocol counts as a failure too.
func (c *mcpClient) call(tool string, args map[string]any) (m mcpMail) {
	c.t.Helper()
	r, err := c.s.CallTool(c.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return mcpMail{text: err.Error(), failed: true}
	}
	if !r.IsError {
		decode(c.t, encode(c.t, r.StructuredContent), &m)
	}
	m.failed = r.IsError
	for _, b := range r.Content {
		if text, ok := b.(*mcp.TextContent); ok {
			m.text += text.Text + "\n"
		}
	}
	return m
}

// held sends a mail that has to be held.
func (c *mcpClient) held(subject string, more map[string]any) mcpMail {
	c.t.Helper()
	args := map[string]any{"to": []string{"to@dest.test"}, "subject": subject, "markdown": "Hello *there*."}
	maps.Copy(args, more)
	m := c.call("send_email", args)
	if m.failed || m.Status != "pending_send_approval" || !strings.Contains(m.text, "Do not send it again") {
		c.t.Fatalf("send_email: %+v", m)
	}
	return m
}

// approverKey makes a key that decides.
func (h *daemon) approverKey() string {
	h.t.Helper()
	return strings.TrimSpace(h.must("key", "create", "approver", "ann", "--scope", "oversight", "--scope",
		"oversight_read"))
}

func TestMCPServesTheOfficialTypeScriptClientsOfBothEras(t *testing.T) {
	h := start(t)
	var clients []struct {
		Name, ID, Status, Says, Read string
		Tools                        []string
		Refused                      bool
	}
	decode(t, must(t, node(t, "mcp.mjs", "MCP_URL="+h.dev.HTTP+"/mcp", "KEY="+h.dev.AgentKey)), &clients)
	if len(clients) != 3 {
		t.Fatalf("%d clients", len(clients))
	}
	for _, c := range clients {
		if !slices.Equal(c.Tools, agentTools) {
			t.Errorf("%s sees %v", c.Name, c.Tools)
		}
		if c.Status != "pending_send_approval" || c.Read != c.Status || !c.Refused ||
			!strings.Contains(c.Says, "Do not send it again") {
			t.Errorf("%s: %+v", c.Name, c)
		}
		m := h.only("mcp " + c.Name)
		if m.ID != c.ID || m.Door != "mcp" || m.Agent != "demo" || !slices.Equal(m.To, []string{"to@dest.test"}) ||
			!slices.Equal(m.Bcc, []string{"bcc@dest.test"}) {
			t.Errorf("%s: pending shows %+v", c.Name, m)
		}
	}
	if n := len(h.pending()); n != len(clients) {
		t.Errorf("%d mails are pending", n)
	}
}

// peer runs a program of the peers under their own node.
func peer(t *testing.T, name string, args ...string) result {
	t.Helper()
	bin := filepath.Join(peers, "node_modules", ".bin")
	return command(t, "", []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir()},
		filepath.Join(bin, name), args...)
}

// The schemas that approvers and admins see are read as strictly as those of agents.
func TestMCPInspectorFindsNoFaultInTheToolsOfEachKindOfCredential(t *testing.T) {
	h := start(t)
	seen := map[string]bool{}
	for name, key := range map[string]string{"agent": h.dev.AgentKey, "approver": h.approverKey(),
		"admin": strings.TrimSpace(h.must("key", "create", "admin", "ops", "--scope", "admin"))} {
		var list mcp.ListToolsResult
		decode(t, must(t, peer(t, "mcp-inspector", "--cli", h.dev.HTTP+"/mcp", "--transport", "http", "--header",
			"Authorization: Bearer "+key, "--method", "tools/list", "--strict")), &list)
		if len(list.Tools) < 10 {
			t.Errorf("the %s sees %q", name, names(list.Tools))
		}
		for _, tool := range list.Tools {
			seen[tool.Name] = true
		}
	}
	for _, op := range api.Operations.Operations() {
		if op.Tool != nil && !seen[op.Name] {
			t.Errorf("%s was not looked at", op.Name)
		}
	}
}

func TestMCPInspectorFindsNoFaultOverHTTPOrStdio(t *testing.T) {
	h := start(t)
	overHTTP := []string{"--cli", h.dev.HTTP + "/mcp", "--transport", "http", "--header", "Authorization: Bearer " +
		h.dev.AgentKey}
	stdio := []string{"--cli", binary, "mcp", "-e", "MULTIMAIL_URL=" + h.dev.HTTP, "-e", "MULTIMAIL_API_KEY=" +
		h.dev.AgentKey}
	for _, c := range []struct {
		name, door string
		target     []string
	}{
		{"HTTP", "mcp", overHTTP},
		{"HTTP in the new era", "mcp", append(slices.Clip(overHTTP), "--protocol-era", "modern")},
		{"stdio", "http", stdio}, // the bridge is a client of the HTTP door
	} {
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			var list mcp.ListToolsResult
			decode(t, must(t, peer(t, "mcp-inspector", append(slices.Clip(c.target), "--method", "tools/list", "--strict")...)),
				&list)
			if !slices.Equal(names(list.Tools), agentTools) {
				t.Errorf("tools: %v", names(list.Tools))
			}
			subject := "inspected over " + c.name
			done := make(chan result, 1)
			go func() {
				done <- peer(t, "mcp-inspector", append(slices.Clip(c.target), "--method", "tools/call", "--tool-name",
					"send_email",
					"--tool-args-json", `{"to":["to@dest.test"],"subject":"`+subject+`","markdown":"Hello."}`)...)
			}()
			h.until(subject, func() bool {
				return slices.ContainsFunc(h.pending(), func(m pendingMail) bool { return m.Subject == subject })
			})
			m, says := h.only(subject), "pending_send_approval"
			if strings.HasSuffix(c.name, "era") { // it knows tasks, and waits for the decision
				h.must("approve", m.ID, "--digest", m.Digest)
				says = "An approver released the mail"
			}
			if out := must(t, <-done); m.Door != c.door || !strings.Contains(out, m.ID) || !strings.Contains(out, says) {
				t.Errorf("pending shows %+v, the inspector %s", m, out)
			}
		})
	}
}

func TestMCPApproverSeesItsToolsAndApprovesByDigestOnly(t *testing.T) {
	h := start(t)
	agent, approver := h.mcp(h.dev.AgentKey), h.mcp(h.approverKey())
	if got := approver.tools(); !slices.Equal(got, strings.Fields(
		"add_allowlist_entry configure_mailbox create_api_key decide_email delete_mailbox list_allowlist list_api_keys "+
			"list_pending list_spam manage_spam_status remove_allowlist_entry remove_suppression revoke_api_key "+
			"update_account update_mailbox")) {
		t.Errorf("an approver sees %v", got)
	}
	m, other := agent.held("decide over me", nil), agent.held("another", nil)
	l := approver.call("list_pending", nil)
	if len(l.Emails) != 2 || l.Emails[0].ID != m.ID || l.Emails[0].Digest != m.Digest ||
		strings.Count(l.text, "BEGIN UNTRUSTED EMAIL BODY OF ") != 2 {
		t.Fatalf("list_pending: %+v", l)
	}
	approve := map[string]any{"email_id": m.ID, "action": "approve"}
	if r := agent.call("decide_email", map[string]any{"email_id": m.ID, "action": "approve",
		"digest": m.Digest}); !r.failed {
		t.Errorf("the author decides: %+v", r)
	}
	for _, digest := range []string{"", other.Digest, strings.Repeat("0", len(m.Digest))} {
		if digest != "" {
			approve["digest"] = digest
		}
		if r := approver.call("decide_email", approve); !r.failed {
			t.Errorf("approved with digest %q: %+v", digest, r)
		}
	}
	if h.state(m.ID) != "held" || len(h.captured(m.ID)) != 0 {
		t.Fatal("it is not held any more")
	}
	approve["digest"] = m.Digest
	if r := approver.call("decide_email", approve); r.failed || r.Status != "approved" {
		t.Fatalf("decide_email: %+v", r)
	}
	h.until("delivery", func() bool { return len(h.captured(m.ID)) == 1 && h.state(m.ID) == "sent" })
	if h.state(other.ID) != "held" {
		t.Error("the other mail was decided over too")
	}
}

func TestMCPReadWaitsForTheVerdictAndItsReason(t *testing.T) {
	h := start(t)
	agent := h.mcp(h.dev.AgentKey)
	m := agent.held("wait for me", nil)
	agent.k.wrote = make(chan struct{}, 8)
	answer := make(chan mcpMail, 1)
	go func() { answer <- agent.call("read_email", map[string]any{"email_id": m.ID, "wait_seconds": 45}) }()
	<-agent.k.wrote
	h.must("reject", m.ID, "--reason", "wrong recipient")
	got := <-answer
	if got.failed || got.Status != "rejected" || got.Decision == nil || got.Decision.Verdict != "rejected" ||
		got.Decision.Reason != "wrong recipient" {
		t.Errorf("read_email: %+v", got)
	}
	if n := agent.call("wait_for_email", map[string]any{"timeout_seconds": 5}); n.failed || len(n.Emails) != 1 {
		t.Errorf("no notice of it: %+v", n)
	}
}

func TestMCPSendsOneMailForOneIdempotencyKey(t *testing.T) {
	h := start(t)
	agent := h.mcp(h.dev.AgentKey)
	key := map[string]any{"idempotency_key": "k1"}
	first, second := agent.held("once", key), agent.held("once", key)
	if first.ID != second.ID || first.Idempotent || !second.Idempotent || len(h.pending()) != 1 {
		t.Errorf("%+v and %+v", first, second)
	}
	if r := agent.call("send_email", map[string]any{"to": []string{"to@dest.test"}, "subject": "else", "markdown": "m",
		"idempotency_key": "k1"}); !r.failed {
		t.Errorf("another mail under the same key: %+v", r)
	}
	if m := agent.held("once", map[string]any{"idempotency_key": "k2"}); m.ID == first.ID {
		t.Error("another key joins the first mail")
	}
}

func TestMCPRefusesAWrongKeyAndARevokedOne(t *testing.T) {
	h := start(t)
	var key struct {
		ID     string `json:"id"`
		Secret string `json:"api_key"`
	}
	decode(t, h.must("key", "create", "agent", "demo", "--scope", "read", "--json"), &key)
	c := h.mcp(key.Secret)
	if got := c.tools(); slices.Contains(got, "send_email") || !slices.Contains(got, "read_email") {
		t.Errorf("a reader sees %v", got)
	}
	h.must("key", "revoke", key.ID)
	if _, err := c.s.ListTools(t.Context(), nil); err == nil {
		t.Error("a session outlives its key")
	}
	for _, auth := range []string{"", "Bearer mm_live_wrong"} {
		req, err := http.NewRequest("POST", h.dev.HTTP+"/mcp",
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", auth)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: %d %v", auth, resp.StatusCode, resp.Header)
		}
	}
}

// auditEntry is what the log says of a mail, without what differs from mail to
// mail: its chain, its time and its door.
type auditEntry struct {
	Kind, Digest string
	Rev          int
	Actor        map[string]string
	Facts        map[string]string
	Private      map[string]string
}

func (h *daemon) auditEntries(id string) (list []auditEntry) {
	h.t.Helper()
	for line := range strings.Lines(h.must("audit", "export", "--openings")) {
		var e struct {
			Leaf string
			Open map[string]struct{ Value string }
		}
		decode(h.t, line, &e)
		if e.Leaf == "" {
			continue // the first line and the last
		}
		leaf := struct {
			Mail string
			auditEntry
		}{auditEntry: auditEntry{Private: map[string]string{}}}
		decode(h.t, e.Leaf, &leaf)
		if leaf.Mail != id {
			continue
		}
		delete(leaf.Facts, "door")
		for name, o := range e.Open {
			leaf.Private[name] = o.Value
		}
		list = append(list, leaf.auditEntry)
	}
	return list
}

// A mail is the same mail whichever door it came through (invariant 8).
func TestMCPAndSMTPEndInTheSameMailAndTheSameAuditLog(t *testing.T) {
	h := start(t)
	agent := h.mcp(h.dev.AgentKey)
	byTool := agent.held("the same", map[string]any{"cc": []string{"cc@dest.test"}, "bcc": []string{"bcc@dest.test"}})
	raw := h.must("show", byTool.ID, "--raw")
	toolMail := h.mailJSON(byTool.ID)
	h.must("mail", "cancel", byTool.ID)

	s := h.login()
	said := s.deliver(h.dev.Mailbox, []string{"to@dest.test", "cc@dest.test", "bcc@dest.test"},
		strings.TrimSuffix(strings.ReplaceAll(raw, "\r\n.", "\r\n.."), "\r\n"), "250")
	id := queuedAs.FindStringSubmatch(said)
	if id == nil {
		t.Fatalf("%q", said)
	}
	if got := h.must("show", id[1], "--raw"); got != raw {
		t.Errorf("the bytes differ: %s", cmp.Diff(raw, got))
	}
	smtpMail := h.mailJSON(id[1])
	h.must("mail", "cancel", id[1])
	if diff := cmp.Diff(toolMail, smtpMail); diff != "" {
		t.Errorf("the tool's mail and SMTP's differ:\n%s", diff)
	}
	tool, smtp := h.auditEntries(byTool.ID), h.auditEntries(id[1])
	if len(tool) != 3 || tool[0].Private["rcpts"] == "" {
		t.Errorf("the audit log says of the tool's mail: %+v", tool)
	}
	// A password has no id, and only some doors know an address of their client.
	for _, e := range append(tool, smtp...) {
		delete(e.Private, "credential")
		delete(e.Private, "ip")
	}
	if diff := cmp.Diff(tool, smtp); diff != "" {
		t.Errorf("their audit entries differ:\n%s", diff)
	}
}

// mailJSON returns a mail without what differs from mail to mail.
func (h *daemon) mailJSON(id string) map[string]any {
	h.t.Helper()
	var m map[string]any
	decode(h.t, h.must("mail", "show", id, "--json"), &m)
	for _, field := range []string{"id", "door", "submitted_at", "expires_at", "finished_at"} {
		delete(m, field)
	}
	return m
}
