package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// call is what a server saw of one request.
type seen struct {
	Method, Target, Auth, Type, Body string
}

// server answers every request with status and body, and keeps what it saw.
func server(t *testing.T, status int, body string) (*Client, *seen) {
	t.Helper()
	got := &seen{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = seen{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)}
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "10")
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "http://elsewhere.example/")
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return New(srv.URL+"/", "mm_live_x"), got
}

var (
	mode  = "gated_all"
	at    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	box   = MailboxRef{Mailbox: "a@x.example"}
	email = EmailRef{box, "I"}
	draft = Draft{To: []string{"b@y.example"}, Subject: "s", Markdown: "m"}
)

// requests has one of every operation, and what goes over the wire.
var requests = map[string]struct {
	in                   any
	method, target, body string
}{
	"get_health":      {None{}, "GET", "/health", ""},
	"get_signing_key": {None{}, "GET", "/.well-known/multimail-signing-key", ""},
	"get_jwks":        {None{}, "GET", "/.well-known/jwks.json", ""},
	"get_swagger":     {None{}, "GET", "/swagger.json", ""},
	"get_swagger_mcp": {None{}, "GET", "/swagger-mcp.json", ""},
	"get_docs":        {None{}, "GET", "/docs", ""},
	"get_verify_page": {None{}, "GET", "/verify", ""},
	"get_metrics":     {None{}, "GET", "/metrics", ""},
	"whoami":          {None{}, "GET", "/v1/whoami", ""},
	"send_any":        {SendAnyRequest{}, "POST", "/v1/send", `{"to":null,"subject":"","markdown":""}`},
	"send_email": {SendRequest{Mailbox: box.Mailbox, Draft: draft},
		"POST", "/v1/mailboxes/a@x.example/send", `{"to":["b@y.example"],"subject":"s","markdown":"m"}`},
	"check_inbox": {EmailQuery{MailboxRef: box, Status: "unread", Sender: "b", SubjectContains: "c",
		DateAfter: "2026-01-02", DateBefore: "2026-01-03", Direction: "inbound", HasAttachments: true,
		Query:   "q",
		SinceID: "S", Limit: 5, Cursor: "C"},
		"GET", "/v1/mailboxes/a@x.example/emails?cursor=C&date_after=2026-01-02&date_before=2026-01-03&direction=inbound" +
			"&has_attachments=1&limit=5&query=q&sender=b&since_id=S&status=unread&subject_contains=c", ""},
	"read_email": {EmailRequest{email, 7},
		"GET", "/v1/mailboxes/a@x.example/emails/I?wait_seconds=7", ""},
	"update_email": {EmailPatch{email, "archived"}, "PATCH", "/v1/mailboxes/a@x.example/emails/I",
		`{"status":"archived"}`},
	"get_thread": {ThreadQuery{box, "T", 7, "C"}, "GET", "/v1/mailboxes/a@x.example/threads/T?cursor=C&limit=7", ""},
	"get_tags":   {email, "GET", "/v1/mailboxes/a@x.example/emails/I/tags", ""},
	"set_tags": {TagsRequest{email, map[string]string{"k": "v"}, true},
		"PUT", "/v1/mailboxes/a@x.example/emails/I/tags?replace=1", `{"tags":{"k":"v"}}`},
	"delete_tag":      {TagRef{email, "a/b?c"}, "DELETE", "/v1/mailboxes/a@x.example/emails/I/tags/a%2Fb%3Fc", ""},
	"search_contacts": {ContactQuery{"ada"}, "GET", "/v1/contacts?q=ada", ""},
	"add_contact": {NewContact{Name: "Ada", Email: "a@y.example", Tags: []string{"t"}, Mailbox: "a@x.example"},
		"POST", "/v1/contacts", `{"name":"Ada","email":"a@y.example","tags":["t"],"mailbox_id":"a@x.example"}`},
	"delete_contact": {ContactRef{ID: "C"}, "DELETE", "/v1/contacts/C", ""},
	"edit_scheduled_email": {EditRequest{email, Edit{Subject: &mode, Cc: []string{}}},
		"PATCH", "/v1/mailboxes/a@x.example/emails/I/schedule", `{"cc":[],"subject":"gated_all"}`},
	"cancel_message": {email, "POST", "/v1/mailboxes/a@x.example/emails/I/cancel", ""},
	"get_attachment": {AttachmentRef{email, "a b.pdf"},
		"GET", "/v1/mailboxes/a@x.example/emails/I/attachments/a%20b.pdf", ""},
	"download_attachment": {AttachmentRef{email, "a.pdf"},
		"GET", "/v1/mailboxes/a@x.example/emails/I/attachments/a.pdf?json=1", ""},
	"get_attachment_url": {AttachmentRef{email, "a.pdf"},
		"GET", "/v1/mailboxes/a@x.example/emails/I/attachments/a.pdf/url", ""},
	"get_file": {FileRef{"T"}, "GET", "/v1/files/T", ""},
	"reply_email": {ReplyRequest{EmailRef: email, Answer: Answer{Markdown: "m", Cc: []string{"b@y.example"}, Quote: true}},
		"POST", "/v1/mailboxes/a@x.example/reply/I", `{"markdown":"m","cc":["b@y.example"],"quote":true}`},
	"list_spam": {SpamQuery{Status: "spam_flagged", Limit: 2, Cursor: "C"},
		"GET", "/v1/emails?cursor=C&limit=2&status=spam_flagged", ""},
	"manage_spam_status": {SpamReport{ID: "I"}, "POST", "/v1/emails/I/report-spam", ""},
	"clear_spam_status":  {SpamRelease{ID: "I", Digest: "D"}, "POST", "/v1/emails/I/not-spam", `{"digest":"D"}`},
	"wait_for_email": {WaitQuery{box, 9, "b", "c", "I"},
		"GET", "/v1/mailboxes/a@x.example/wait?sender=b&since_id=I&subject_contains=c&timeout_seconds=9", ""},
	"get_usage":      {UsageQuery{From: at}, "GET", "/v1/usage?from=2026-01-02T03%3A04%3A05Z", ""},
	"list_mailboxes": {None{}, "GET", "/v1/mailboxes", ""},
	"create_mailbox": {NewMailbox{Address: "a@x.example", Agents: []string{"bot"}},
		"POST", "/v1/mailboxes", `{"address":"a@x.example","agents":["bot"]}`},
	"get_mailbox": {MailboxRef{"a/b?c@x.example"}, "GET", "/v1/mailboxes/a%2Fb%3Fc@x.example", ""},
	"update_mailbox": {MailboxRequest{MailboxRef: box, MailboxPatch: MailboxPatch{OversightMode: &mode}},
		"PATCH", "/v1/mailboxes/a@x.example", `{"oversight_mode":"gated_all"}`},
	"configure_mailbox": {SetupRequest{MailboxRef: box, MailboxSetup: MailboxSetup{OversightMode: &mode}},
		"PATCH", "/v1/mailboxes/a@x.example/configure", `{"oversight_mode":"gated_all"}`},
	"delete_mailbox": {MailboxName{"a@x.example"}, "DELETE", "/v1/mailboxes/a@x.example", ""},
	"list_allowlist": {box, "GET", "/v1/mailboxes/a@x.example/allowlist", ""},
	"add_allowlist_entry": {NewAllowRequest{MailboxRef: box, NewAllowEntry: NewAllowEntry{Pattern: "*@y.example"}},
		"POST", "/v1/mailboxes/a@x.example/allowlist", `{"pattern":"*@y.example"}`},
	"remove_allowlist_entry": {AllowRef{box, "E1"}, "DELETE", "/v1/mailboxes/a@x.example/allowlist/E1", ""},
	"manage_upgrade": {UpgradeRequest{MailboxRef: box, TargetMode: "monitored"},
		"POST", "/v1/mailboxes/a@x.example/request-upgrade", `{"target_mode":"monitored"}`},
	"apply_upgrade": {UpgradeCode{MailboxRef: box, Code: "ABC-DEF-GHJK"},
		"POST", "/v1/mailboxes/a@x.example/upgrade", `{"code":"ABC-DEF-GHJK"}`},
	"list_pending":  {PendingQuery{Limit: 3}, "GET", "/v1/oversight/pending?limit=3", ""},
	"review_email":  {MailRef{"I"}, "GET", "/v1/oversight/pending/I", ""},
	"get_raw_email": {MailRef{"I"}, "GET", "/v1/oversight/pending/I?raw=1", ""},
	"decide_email": {DecideRequest{EmailID: "I", Action: "approve", Digest: "D"},
		"POST", "/v1/oversight/decide", `{"email_id":"I","action":"approve","digest":"D"}`},
	"get_account":       {None{}, "GET", "/v1/account", ""},
	"delete_account":    {AccountDeletion{}, "DELETE", "/v1/account", ""},
	"update_account":    {AccountPatch{Name: &mode}, "PATCH", "/v1/account", `{"name":"gated_all"}`},
	"list_domains":      {None{}, "GET", "/v1/domains", ""},
	"add_domain":        {NewDomain{Name: "x.example"}, "POST", "/v1/domains", `{"name":"x.example"}`},
	"get_domain":        {NameRef{"x.example"}, "GET", "/v1/domains/x.example", ""},
	"verify_domain":     {NameRef{"x.example"}, "POST", "/v1/domains/x.example/verify", ""},
	"pin_domain":        {NameRef{"x.example"}, "POST", "/v1/domains/x.example/pin", ""},
	"unpin_domain":      {NameRef{"x.example"}, "POST", "/v1/domains/x.example/unpin", ""},
	"remove_domain":     {NameRef{"x.example"}, "DELETE", "/v1/domains/x.example", ""},
	"get_mta_sts":       {None{}, "GET", "/.well-known/mta-sts.txt", ""},
	"list_signing_keys": {NameRef{"x.example"}, "GET", "/v1/domains/x.example/signing-keys", ""},
	"rotate_signing_keys": {RotateKeys{NameRef{"x.example"}, "dkim", true},
		"POST", "/v1/domains/x.example/signing-keys/rotate", `{"purpose":"dkim","compromised":true}`},
	"revoke_signing_key": {RevokeKey{NameRef{"x.example"}, "mm1", "ceased"},
		"POST", "/v1/domains/x.example/signing-keys/mm1/revoke", `{"reason":"ceased"}`},
	"import_signing_key": {ImportKey{NameRef{"x.example"}, "dkim", "s1", "PEM"},
		"POST", "/v1/domains/x.example/signing-keys", `{"purpose":"dkim","selector":"s1","pem":"PEM"}`},
	"export_domain":     {NameRef{"x.example"}, "GET", "/v1/domains/x.example/files", ""},
	"list_agents":       {None{}, "GET", "/v1/agents", ""},
	"add_agent":         {NewAgent{Name: "bot"}, "POST", "/v1/agents", `{"name":"bot"}`},
	"disable_agent":     {NameRef{"bot"}, "POST", "/v1/agents/bot/disable", ""},
	"enable_agent":      {NameRef{"bot"}, "POST", "/v1/agents/bot/enable", ""},
	"reset_password":    {NameRef{"bot"}, "POST", "/v1/agents/bot/password", ""},
	"list_certificates": {None{}, "GET", "/v1/certificates", ""},
	"add_certificate": {NewCertificate{NameRef: NameRef{"bot"}, SAN: "dns:bot.example"},
		"POST", "/v1/agents/bot/certificates", `{"san":"dns:bot.example"}`},
	"revoke_certificate": {CertificateRef{"C"}, "DELETE", "/v1/certificates/C", ""},
	"list_api_keys":      {None{}, "GET", "/v1/api-keys", ""},
	"create_api_key": {NewKey{Kind: "agent", Owner: "bot", Scopes: []string{"send"}},
		"POST", "/v1/api-keys", `{"kind":"agent","owner":"bot","scopes":["send"]}`},
	"list_bindings": {None{}, "GET", "/v1/bindings", ""},
	"add_binding": {NewBinding{Kind: "agent", Owner: "bot", Issuer: "corp", Tenant: "t", Object: "o", Client: "c"},
		"POST", "/v1/bindings", `{"kind":"agent","owner":"bot","issuer":"corp","tenant":"t","object":"o","client":"c"}`},
	"end_binding":  {BindingRef{"B"}, "DELETE", "/v1/bindings/B", ""},
	"list_clients": {None{}, "GET", "/v1/oauth/clients", ""},
	"add_client": {NewOAuthClient{Name: "C", Redirects: []string{"https://c.test/"}, Method: "none"},
		"POST", "/v1/oauth/clients", `{"name":"C","redirect_uris":["https://c.test/"],"method":"none"}`},
	"rotate_client": {OAuthClientRef{"C"}, "POST", "/v1/oauth/clients/C/secret", ""},
	"remove_client": {OAuthClientRef{"C"}, "DELETE", "/v1/oauth/clients/C", ""},
	"list_grants":   {None{}, "GET", "/v1/oauth/grants", ""},
	"end_grant":     {GrantRef{"G"}, "DELETE", "/v1/oauth/grants/G", ""},
	"update_api_key": {KeyPatch{KeyRef{"K"}, &mode, []string{"read"}},
		"PATCH", "/v1/api-keys/K", `{"name":"gated_all","scopes":["read"]}`},
	"revoke_api_key": {KeyRef{"K"}, "DELETE", "/v1/api-keys/K", ""},
	"list_mails": {MailQuery{State: "held", Mailbox: "a@x.example", Limit: 2},
		"GET", "/v1/mails?limit=2&mailbox=a%40x.example&state=held", ""},
	"get_mail":    {MailRef{"I"}, "GET", "/v1/mails/I", ""},
	"cancel_mail": {MailRef{"I"}, "POST", "/v1/mails/I/cancel", ""},
	"retry_mail":  {MailRef{"I"}, "POST", "/v1/mails/I/retry", ""},
	"hold_mail":   {MailRef{"I"}, "POST", "/v1/mails/I/hold", ""},
	"create_webhook": {NewWebhook{URL: "https://x.test/", Events: []string{"message.sent"}, Format: "slack"},
		"POST", "/v1/webhooks", `{"url":"https://x.test/","events":["message.sent"],"format":"slack"}`},
	"list_webhooks":  {None{}, "GET", "/v1/webhooks", ""},
	"get_webhook":    {WebhookRef{"W"}, "GET", "/v1/webhooks/W", ""},
	"delete_webhook": {WebhookRef{"W"}, "DELETE", "/v1/webhooks/W", ""},
	"rotate_webhook": {WebhookRef{"W"}, "POST", "/v1/webhooks/W/secret", ""},
	"list_webhook_deliveries": {DeliveryQuery{"W", 4, "c"}, "GET",
		"/v1/webhook-deliveries?cursor=c&limit=4&webhook_id=W", ""},
	"redeliver_webhook":  {DeliveryRef{"D"}, "POST", "/v1/webhook-deliveries/D/redeliver", ""},
	"list_suppression":   {SuppressionQuery{4, "c"}, "GET", "/v1/suppression?cursor=c&limit=4", ""},
	"remove_suppression": {SuppressionRef{Address: "a@b.example"}, "DELETE", "/v1/suppression/a@b.example", ""},
	"get_audit_log":      {AuditQuery{4, "9"}, "GET", "/v1/audit-log?cursor=9&limit=4", ""},
	"export_audit_log": {ExportQuery{true, at},
		"GET", "/v1/audit-log/export?openings=1&since=2026-01-02T03%3A04%3A05Z", ""},
	"verify_audit_log": {None{}, "POST", "/v1/audit-log/verify", ""},
	"get_doctor":       {None{}, "GET", "/v1/doctor", ""},
	"get_clock":        {None{}, "GET", "/v1/clock", ""},
	"reindex":          {None{}, "POST", "/v1/search/reindex", ""},
	"accept_clock":     {None{}, "POST", "/v1/clock/accept", ""},
	"verify_mail": {VerifyRequest{Source: "dns", Mail: "RnJvbQ==", Key: "{}"},
		"POST", "/v1/verify?source=dns", `{"mail":"RnJvbQ==","key":"{}"}`},
	"start_freeze": {ScopeRequest{"all", "r"}, "POST", "/v1/freeze", `{"scope":"all","reason":"r"}`},
	"end_freeze":   {ScopeRequest{Scope: "all"}, "POST", "/v1/thaw", `{"scope":"all"}`},
	"list_freezes": {None{}, "GET", "/v1/freezes", ""},
}

func TestEveryOperationIsAskedAtItsEndpoint(t *testing.T) {
	for _, op := range Operations.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			r, ok := requests[op.Name]
			if !ok {
				t.Fatal("the test has no request of it")
			}
			client, got := server(t, http.StatusOK, "{}")
			body, err := client.open(t.Context(), op, r.in)
			if err != nil {
				t.Fatal(err)
			}
			body.Close()
			want := seen{r.method, r.target, "Bearer mm_live_x", "", r.body}
			if r.body != "" {
				want.Type = "application/json"
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if len(requests) != len(Operations.Operations()) {
		t.Errorf("%d requests of %d operations", len(requests), len(Operations.Operations()))
	}
}

func TestErrorsReachTheCaller(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       Error
	}{
		{"with a hint", `{"error":"no","hint":"ask"}`, 400, Error{Status: 400, Message: "no", Hint: "ask"}},
		{"with a reference", `{"error":"internal error","ref":"R"}`, 500,
			Error{Status: 500, Message: "internal error", Ref: "R"}},
		{"with a time to wait", `{"error":"later"}`, 503, Error{Status: 503, Message: "later", RetryAfter: 10 * time.Second}},
		{"in the words of somebody between", `<h1>Bad Gateway</h1>`, 502,
			Error{Status: 502, Message: "the server answered 502 Bad Gateway"}},
		{"a redirect is not followed", ``, 302, Error{Status: 302, Message: "the server answered 302 Found"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := server(t, c.status, c.body)
			_, err := Call(context.Background(), client, ListMailboxes, None{})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(c.want, *e); diff != "" {
				t.Error(diff)
			}
			if c.want.Ref != "" && !strings.Contains(e.Error(), c.want.Ref) {
				t.Errorf("%q does not name the reference", e.Error())
			}
		})
	}
}

func TestDegradedIsAnAnswer(t *testing.T) {
	client, _ := server(t, 503, `{"status":"degraded"}`)
	h, err := Call(context.Background(), client, GetHealth, None{})
	if err != nil || h.Status != "degraded" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestAnAnswerThatIsNotJSONIsAnError(t *testing.T) {
	client, _ := server(t, 200, `<html>`)
	if _, err := Call(context.Background(), client, ListMailboxes, None{}); err == nil {
		t.Error("no error")
	}
}

func TestSocketNeedsNoKeyAndNoHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a key came along")
		}
		json.NewEncoder(w).Encode(Health{Status: "ok"})
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	h, err := Call(context.Background(), Socket(path), GetHealth, None{})
	if err != nil || h.Status != "ok" {
		t.Errorf("got %+v, %v", h, err)
	}
}
