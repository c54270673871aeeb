package httpd

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multimail/multimail/httpd/api"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

// volatile is what differs from run to run: ids, digests, secrets.
var volatile = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`mm_live_[0-9A-Z]{26}_[0-9A-Za-z_-]{43}`), "SECRET"},
	{regexp.MustCompile(`"password": "[A-Z2-7]{26}"`), `"password": "SECRET"`},
	{regexp.MustCompile(`\b[0-9a-f]{32,64}\b`), "HEX"},
	{regexp.MustCompile(`01[0-9A-HJKMNP-TV-Z]{24}`), "ULID"},
	{regexp.MustCompile(`"leaf": ".*"`), `"leaf": "LEAF"`},
	{regexp.MustCompile(`"2026-01-..T03:04:[0-9.]*Z"`), `"TIME"`},
	{regexp.MustCompile(`"(id|cursor|epoch)": "[0-9]+"`), `"$1": "NUMBER"`},
}

func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	got := b.Bytes()
	for _, v := range volatile {
		got = v.re.ReplaceAll(got, []byte(v.with))
	}
	path := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s:\n%s", name, diff)
	}
}

// answers are requests with the name of the golden file of their answer. Words in
// capitals are replaced.
var answers = []struct {
	name, as, method, target, body string
	status                         int
}{
	{"health", "nobody", "GET", "/health", "", 200},
	{"receipt-idempotent-first", "sender", "POST", "/v1/send", `IDEM`, 202},
	{"receipt-idempotent", "sender", "POST", "/v1/send", `IDEM`, 200},
	{"emails", "reader", "GET", emailsOf + "?limit=4&status=rejected", "", 200},
	{"email-held", "reader", "GET", emailsOf + "/HELD", "", 200},
	{"email-queued", "reader", "GET", emailsOf + "/QUEUED", "", 200},
	{"email-sent", "reader", "GET", emailsOf + "/SENT", "", 200},
	{"email-rejected", "reader", "GET", emailsOf + "/REJECTED", "", 200},
	{"wait", "reader", "GET", "/v1/mailboxes/" + bot + "/wait", "", 200},
	{"email-notice", "reader", "GET", emailsOf + "/NOTICE", "", 200},
	{"usage", "reader", "GET", "/v1/usage?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", "", 200},
	{"pending", "approver", "GET", "/v1/oversight/pending?limit=1", "", 200},
	{"review", "approver", "GET", "/v1/oversight/pending/HELD", "", 200},
	{"cancel", "sender", "POST", emailsOf + "/HELD/cancel", "", 200},
	{"signing-keys", "admin", "GET", "/v1/domains/a.example/signing-keys", "", 200},
	{"signing-keys-rotate", "admin", "POST", "/v1/domains/a.example/signing-keys/rotate", `{"purpose":"dkim"}`, 200},
	{"signing-key-none", "admin", "POST", "/v1/domains/a.example/signing-keys/mm9/revoke", `{"reason":"ceased"}`, 404},
	{"signing-key-reason", "admin", "POST", "/v1/domains/a.example/signing-keys/mm1/revoke", `{"reason":"lost"}`, 400},
	{"signing-key-import", "admin", "POST", "/v1/domains/a.example/signing-keys", importBody, 201},
	{"signing-key-bad", "admin", "POST", "/v1/domains/a.example/signing-keys", `{"purpose":"dkim","pem":"x"}`, 400},
	{"domain-files", "admin", "GET", "/v1/domains/a.example/files", "", 200},
	{"whoami", "reader", "GET", "/v1/whoami", "", 200},
	{"mailboxes", "reader", "GET", "/v1/mailboxes", "", 200},
	{"mailbox-added", "admin", "POST", "/v1/mailboxes",
		`{"address":"new@a.example","agents":["bot"],"display_name":"New"}`, 201},
	{"mailbox-patched", "dev", "PATCH", "/v1/mailboxes/new@a.example", `{"oversight_address":"max@a.example"}`, 200},
	{"allow-added", "approver", "POST", "/v1/mailboxes/new@a.example/allowlist",
		`{"pattern":"*@b.example","note":"n"}`, 201},
	{"allowlist", "reader", "GET", "/v1/mailboxes/new@a.example/allowlist", "", 200},
	{"account", "admin", "GET", "/v1/account", "", 200},
	{"domain-added", "admin", "POST", "/v1/domains", `{"name":"b.example"}`, 201},
	{"domains", "admin", "GET", "/v1/domains", "", 200},
	{"domain-checked", "admin", "POST", "/v1/domains/b.example/verify", "", 200},
	{"domain-pinned", "approver", "POST", "/v1/domains/b.example/pin", "", 200},
	{"agent-added", "admin", "POST", "/v1/agents", `{"name":"new"}`, 201},
	{"binding-added", "admin", "POST", "/v1/bindings",
		`{"kind":"agent","owner":"new","issuer":"corp","tenant":"t","object":"o","client":"c","account":"u"}`, 201},
	{"agents", "admin", "GET", "/v1/agents", "", 200},
	{"certificate-added", "admin", "POST", "/v1/agents/bot/certificates", `{"san":"email:Bot@agents.example"}`, 201},
	{"certificates", "admin", "GET", "/v1/certificates", "", 200},
	{"webhook-added", "admin", "POST", "/v1/webhooks", `{"url":"https://x.test/","events":["message.sent"]}`, 201},
	{"webhooks", "admin", "GET", "/v1/webhooks", "", 200},
	{"webhook-deliveries", "admin", "GET", "/v1/webhook-deliveries?limit=1", "", 200},
	{"key-added", "admin", "POST", "/v1/api-keys", `{"kind":"agent","owner":"new"}`, 201},
	{"mail", "admin", "GET", "/v1/mails/SENT", "", 200},
	{"mails", "admin", "GET", "/v1/mails?state=rejected", "", 200},
	{"freeze", "admin", "POST", "/v1/freeze", `{"scope":"all","reason":"drill"}`, 200},
	{"verification", "reader", "POST", "/v1/verify?source=offline",
		`{"mail":"WC1NdWx0aU1haWwtSWRlbnRpdHk6IHguDQpGcm9tOiBhQGIuZXhhbXBsZQ0KDQpoaQ0K"}`, 200},
	{"freezes", "admin", "GET", "/v1/freezes", "", 200},
	{"thaw", "approver", "POST", "/v1/thaw", `{"scope":"all"}`, 200},
	{"suppressions", "admin", "GET", "/v1/suppression", "", 200},
	{"audit-log", "admin", "GET", "/v1/audit-log?limit=1", "", 200},
	{"email-received", "reader", "GET", "/v1/mailboxes/bot@a.example/emails/ARRIVED", "", 200},
	{"receipt-reply", "sender", "POST", "/v1/mailboxes/bot@a.example/reply/ARRIVED", `{"markdown":"Yes."}`, 202},
	{"spam-reported", "sender", "POST", "/v1/emails/ARRIVED/report-spam", "", 200},
	{"spam", "approver", "GET", "/v1/emails", "", 200},
	{"pending-spam", "approver", "GET", "/v1/oversight/pending?spam=1", "", 200},
	{"error", "sender", "POST", "/v1/send", `{}`, 400},
	{"error-hint", "approver", "POST", decidePath, `{"email_id":"HELD","action":"approve"}`, 400},
}

// The JSON of every answer is a promise; a change of one is seen here.
func TestAnswersKeepTheirForm(t *testing.T) {
	h := newFixture(t)
	const full = `{"to":["ada@b.example"],"cc":["carl@b.example"],"bcc":["boss@c.example"],"subject":"Hello",` +
		`"markdown":"[here](https://b.example/)",` +
		`"attachments":[{"name":"a.txt","content_base64":"YQ==","content_type":"text/plain"}],` +
		`"send_at":"2026-01-31T08:00:00Z"}`
	receipt := h.want(202, "sender", "POST", "/v1/send", full)
	held := into[api.Receipt](h, receipt).ID
	rejected, notice := h.rejected()
	sent := h.approved()
	h.deliver()
	arrived := h.arrive(brought(with(adasMail, "Reply-To: eve@evil.example")))
	named := strings.NewReplacer("ARRIVED", string(arrived.ID), "HELD", held, "REJECTED", rejected,
		"NOTICE", notice, "SENT", sent.ID,
		"QUEUED", h.approved().ID, "IDEM", edit("idempotency_key", "k"))
	for _, c := range answers {
		r := h.want(c.status, c.as, c.method, named.Replace(c.target), named.Replace(c.body))
		golden(t, c.name, []byte(r.body))
	}
	golden(t, "receipt", []byte(receipt.body))
	r := h.held()
	golden(t, "decided", []byte(h.want(200, "approver", "POST", decidePath, verdict(r, "approve", r.Digest, "")).body))
	report := into[api.AuditReport](h, h.want(200, "admin", "POST", "/v1/audit-log/verify", ""))
	report.Chains[0].Size = 1
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "audit-verify", b)
}
