package httpd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// everyone is the head of the table of rights.
var everyone = []string{"nobody", "reader", "sender", "other", "watcher", "approver", "admin", "socket", "dev"}

// importBody brings a key along that the stand-in takes.
const importBody = `{"purpose":"dkim","selector":"s1",` +
	`"pem":"-----BEGIN PRIVATE KEY-----\na2V5\n-----END PRIVATE KEY-----\n"}`

// rights says, for every route, what everyone is answered. Braces are filled in
// afresh for every cell; {+x} only makes something be so.
var rights = []struct {
	route, target, body string
	want                string // by principal, as everyone lists them
}{
	// Columns: nobo read send othe watc appr admi sock dev
	{"GET /health", "/health", "", "200 200 200 200 200 200 200 200 200"},
	{"GET /.well-known/multimail-signing-key", "/.well-known/multimail-signing-key", "",
		"200 200 200 200 200 200 200 200 200"},
	{"GET /.well-known/jwks.json", "/.well-known/jwks.json", "", "200 200 200 200 200 200 200 200 200"},
	{"GET /.well-known/mta-sts.txt", "/.well-known/mta-sts.txt", "", "404 404 404 404 404 404 404 404 404"},
	{"GET /swagger.json", "/swagger.json", "", "200 200 200 200 200 200 200 200 200"},
	{"GET /swagger-mcp.json", "/swagger-mcp.json", "", "200 200 200 200 200 200 200 200 200"},
	{"GET /docs", "/docs", "", "200 200 200 200 200 200 200 200 200"},
	{"GET /verify", "/verify", "", "200 200 200 200 200 200 200 200 200"},
	{"GET /metrics", "/metrics", "", "401 403 403 403 403 403 200 200 200"},

	{"GET /v1/whoami", "/v1/whoami", "", "401 200 200 200 200 200 200 200 200"},
	{"POST /v1/send", "/v1/send", draft, "401 403 202 202 403 403 403 403 403"},
	{"POST /v1/mailboxes/{id}/send", "/v1/mailboxes/bot@a.example/send", draft, "401 403 202 403 403 403 403 403 403"},
	{"GET /v1/mailboxes/{id}/emails", "/v1/mailboxes/bot@a.example/emails", "", "401 200 200 404 403 403 403 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}", "/v1/mailboxes/bot@a.example/emails/{held}", "",
		"401 200 200 404 403 403 403 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}", "/v1/mailboxes/bot@a.example/emails/{notice}", "",
		"401 200 200 404 403 403 403 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}", "/v1/mailboxes/other@a.example/emails/{held}", "",
		"401 404 404 404 403 403 403 404 404"},
	{"POST /v1/mailboxes/{id}/reply/{email}", "/v1/mailboxes/bot@a.example/reply/{held}", `{"markdown":"m {n}"}`,
		"401 403 202 404 403 403 403 403 403"},
	{"POST /v1/mailboxes/{id}/emails/{email}/cancel", "/v1/mailboxes/bot@a.example/emails/{held}/cancel", "",
		"401 403 200 404 403 403 403 403 403"},
	{"PATCH /v1/mailboxes/{id}/emails/{email}/schedule", "/v1/mailboxes/bot@a.example/emails/{scheduled}/schedule",
		`{"subject":"Another"}`, "401 403 200 404 403 403 403 403 403"},
	{"PATCH /v1/mailboxes/{id}/emails/{email}", "/v1/mailboxes/bot@a.example/emails/{notice}", `{"status":"archived"}`,
		"401 403 200 404 403 403 403 403 403"},
	{"GET /v1/mailboxes/{id}/threads/{thread}", "/v1/mailboxes/bot@a.example/threads/{held}", "",
		"401 200 200 404 403 403 403 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}/tags", "/v1/mailboxes/bot@a.example/emails/{held}/tags", "",
		"401 200 200 404 403 403 403 200 200"},
	{"PUT /v1/mailboxes/{id}/emails/{email}/tags", "/v1/mailboxes/bot@a.example/emails/{notice}/tags",
		`{"tags":{"k":"v"}}`, "401 403 200 404 403 403 403 403 403"},
	{"DELETE /v1/mailboxes/{id}/emails/{email}/tags/{key}", "/v1/mailboxes/bot@a.example/emails/{held}/tags/k", "",
		"401 403 200 404 403 403 403 403 403"},
	{"GET /v1/contacts", "/v1/contacts", "", "401 200 200 200 403 403 403 200 200"},
	{"POST /v1/contacts", "/v1/contacts", `{"name":"N","email":"n{n}@b.example","mailbox_id":"bot@a.example"}`,
		"401 403 201 404 403 403 403 403 403"},
	{"DELETE /v1/contacts/{id}", "/v1/contacts/01HZZZZZZZZZZZZZZZZZZZZZZZ", "",
		"401 403 202 202 403 403 200 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}/attachments/{filename}",
		"/v1/mailboxes/bot@a.example/emails/{notice}/attachments/1", "", "401 200 200 404 403 403 403 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}/attachments/{filename}",
		"/v1/mailboxes/bot@a.example/emails/{notice}/attachments/1?json=1", "", "401 200 200 404 403 403 403 200 200"},
	{"GET /v1/mailboxes/{id}/emails/{email}/attachments/{filename}/url",
		"/v1/mailboxes/bot@a.example/emails/{notice}/attachments/1/url", "", "401 200 200 404 403 403 403 200 200"},
	{"GET /v1/files/{ticket}", "/v1/files/x", "", "404 404 404 404 404 404 404 404 404"},
	{"GET /v1/mailboxes/{id}/wait", "/v1/mailboxes/bot@a.example/wait{+notice}", "",
		"401 200 200 404 403 403 403 200 200"},
	{"GET /v1/usage", "/v1/usage", "", "401 200 200 200 403 403 403 200 200"},

	{"GET /v1/emails", "/v1/emails", "", "401 200 200 200 200 200 403 200 200"},
	{"POST /v1/emails/{email}/report-spam", "/v1/emails/{arrived}/report-spam", "", "401 403 200 404 403 200 403 403 200"},
	{"POST /v1/emails/{email}/not-spam", "/v1/emails/{spam}/not-spam", `{"digest":"{spamdigest}"}`,
		"401 403 202 202 403 200 403 403 200"},

	{"GET /v1/mailboxes", "/v1/mailboxes", "", "401 200 200 200 200 200 200 200 200"},
	{"POST /v1/mailboxes", "/v1/mailboxes", `{"address":"m{n}@a.example","agents":["bot"]}`,
		"401 403 202 202 403 403 201 201 201"},
	{"GET /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", "", "401 200 200 404 200 200 200 200 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example{+gated}", `{"oversight_mode":"read_only"}`,
		"401 200 200 404 403 200 200 200 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example{+gated}", `{"oversight_mode":"autonomous"}`,
		"401 403 202 404 403 200 403 403 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", `{"retention_days":{n}}`,
		"401 403 202 404 403 403 200 200 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", `{"legal_hold":true}`,
		"401 403 202 404 403 200 200 200 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example{+kept}", `{"legal_hold":false}`,
		"401 403 202 404 403 200 403 403 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", `{"display_name":"Bot {n}"}`,
		"401 403 202 404 403 403 200 200 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", `{"oversight_address":"eve{n}@a.example"}`,
		"401 403 202 404 403 200 403 403 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", `{"auto_bcc":"eve{n}@a.example"}`,
		"401 403 202 404 403 200 403 403 200"},
	{"PATCH /v1/mailboxes/{id}", "/v1/mailboxes/bot@a.example", `{"ai_disclosure":false}`,
		"401 400 400 404 403 400 400 400 400"},
	{"PATCH /v1/mailboxes/{id}/configure", "/v1/mailboxes/bot@a.example/configure",
		`{"default_gate_timing":"schedule_first"}`,
		"401 200 200 404 403 200 200 200 200"},
	{"PATCH /v1/mailboxes/{id}/configure", "/v1/mailboxes/bot@a.example/configure", `{"signature_block":"Bot {n}"}`,
		"401 403 202 404 403 403 200 200 200"},
	{"DELETE /v1/mailboxes/{id}", "/v1/mailboxes/spare{n}@a.example{+spare}", "",
		"401 403 403 403 403 200 200 200 200"},
	{"GET /v1/mailboxes/{id}/allowlist", "/v1/mailboxes/bot@a.example/allowlist", "",
		"401 200 200 404 200 200 200 200 200"},
	{"POST /v1/mailboxes/{id}/allowlist", "/v1/mailboxes/bot@a.example/allowlist", `{"pattern":"p{n}@b.example"}`,
		"401 403 202 404 403 201 403 403 201"},
	{"DELETE /v1/mailboxes/{id}/allowlist/{entry}", "/v1/mailboxes/bot@a.example/allowlist/{entry}", "",
		"401 200 200 404 403 200 200 200 200"},

	{"POST /v1/mailboxes/{id}/request-upgrade", "/v1/mailboxes/bot@a.example/request-upgrade{+gated}",
		`{"target_mode":"monitored"}`, "401 403 200 404 403 403 403 403 403"},
	{"POST /v1/mailboxes/{id}/upgrade", "/v1/mailboxes/bot@a.example/upgrade", `{"code":"ABC-DEF-GHJK"}`,
		"401 403 404 404 403 403 403 403 403"},

	{"GET /v1/oversight/pending", "/v1/oversight/pending", "", "401 403 403 403 200 200 403 200 200"},
	{"GET /v1/oversight/pending/{id}", "/v1/oversight/pending/{held}", "", "401 403 403 403 200 200 403 200 200"},
	{"GET /v1/oversight/pending/{id}", "/v1/oversight/pending/{held}?raw=1", "", "401 403 403 403 200 200 403 200 200"},
	{"POST /v1/oversight/decide", "/v1/oversight/decide",
		`{"email_id":"{held}","action":"approve","digest":"{digest}"}`, "401 403 403 403 403 200 403 403 200"},
	{"POST /v1/oversight/decide", "/v1/oversight/decide", `{"email_id":"{held}","decision":"reject"}`,
		"401 403 403 403 403 200 403 403 200"},

	{"GET /v1/account", "/v1/account", "", "401 200 200 200 200 200 200 200 200"},
	{"DELETE /v1/account", "/v1/account", "", "401 403 202 202 403 403 200 200 200"},
	{"PATCH /v1/account", "/v1/account", `{"name":"Example {n}"}`, "401 403 202 202 403 403 200 200 200"},
	{"PATCH /v1/account", "/v1/account", `{"oversight_email":"eve{n}@a.example"}`, "401 403 202 202 403 200 403 403 200"},
	{"GET /v1/domains", "/v1/domains", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/domains", "/v1/domains", `{"name":"d{n}.example"}`, "401 403 403 403 403 403 201 201 201"},
	{"GET /v1/domains/{name}", "/v1/domains/a.example", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/domains/{name}/verify", "/v1/domains/a.example/verify", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/domains/{name}/pin", "/v1/domains/a.example/pin", "", "401 403 403 403 403 200 403 403 200"},
	{"POST /v1/domains/{name}/unpin", "/v1/domains/a.example/unpin", "", "401 403 403 403 403 200 200 200 200"},
	{"DELETE /v1/domains/{name}", "/v1/domains/{domain}", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/domains/{name}/signing-keys", "/v1/domains/a.example/signing-keys", "",
		"401 403 403 403 403 403 200 200 200"},
	{"POST /v1/domains/{name}/signing-keys/rotate", "/v1/domains/a.example/signing-keys/rotate", "{}",
		"401 403 403 403 403 403 200 200 200"},
	{"POST /v1/domains/{name}/signing-keys/{key}/revoke", "/v1/domains/a.example/signing-keys/mm1/revoke",
		`{"reason":"ceased"}`, "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/domains/{name}/signing-keys", "/v1/domains/a.example/signing-keys", importBody,
		"401 403 403 403 403 403 201 201 201"},
	{"GET /v1/domains/{name}/files", "/v1/domains/a.example/files", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/agents", "/v1/agents", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/agents", "/v1/agents", `{"name":"agent{n}"}`, "401 403 403 403 403 403 201 201 201"},
	{"POST /v1/agents/{name}/disable", "/v1/agents/{agent}/disable", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/agents/{name}/enable", "/v1/agents/{agent}/enable", "", "401 403 403 403 403 200 403 403 200"},
	{"POST /v1/agents/{name}/password", "/v1/agents/{agent}/password", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/bindings", "/v1/bindings", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/bindings", "/v1/bindings", `{"kind":"agent","owner":"bot","issuer":"corp","object":"o{n}"}`,
		"401 403 403 403 403 403 201 201 201"},
	{"POST /v1/bindings", "/v1/bindings",
		`{"kind":"approver","owner":"boss{n}","issuer":"corp","object":"p{n}","scopes":["oversight"]}`,
		"401 403 403 403 403 201 403 403 201"},
	{"DELETE /v1/bindings/{id}", "/v1/bindings/{binding}", "", "401 403 403 403 403 200 200 200 200"},
	{"GET /v1/oauth/clients", "/v1/oauth/clients", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/oauth/clients", "/v1/oauth/clients", `{"name":"c{n}","redirect_uris":["https://client.test/"]}`,
		"401 403 403 403 403 403 201 201 201"},
	{"POST /v1/oauth/clients/{id}/secret", "/v1/oauth/clients/{client}/secret", "",
		"401 403 403 403 403 403 200 200 200"},
	{"DELETE /v1/oauth/clients/{id}", "/v1/oauth/clients/{client}", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/oauth/grants", "/v1/oauth/grants", "", "401 403 403 403 403 200 200 200 200"},
	{"DELETE /v1/oauth/grants/{id}", "/v1/oauth/grants/{grant}", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/webhooks", "/v1/webhooks", `{"url":"https://x.test/","events":["message.sent"]}`,
		"401 403 202 202 403 403 201 201 201"},
	{"GET /v1/webhooks", "/v1/webhooks", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/webhooks/{id}", "/v1/webhooks/" + webhookID, "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/webhooks/{id}/secret", "/v1/webhooks/" + webhookID + "/secret", "", "401 403 403 403 403 403 200 200 200"},
	{"DELETE /v1/webhooks/{id}", "/v1/webhooks/" + webhookID, "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/webhook-deliveries", "/v1/webhook-deliveries", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/webhook-deliveries/{id}/redeliver", "/v1/webhook-deliveries/" + webhookID + "/redeliver", "",
		"401 403 403 403 403 403 200 200 200"},
	{"GET /v1/certificates", "/v1/certificates", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/agents/{name}/certificates", "/v1/agents/bot/certificates", `{"san":"dns:bot{n}.example"}`,
		"401 403 403 403 403 403 201 201 201"},
	{"DELETE /v1/certificates/{id}", "/v1/certificates/{certificate}", "", "401 403 403 403 403 200 200 200 200"},
	{"GET /v1/api-keys", "/v1/api-keys", "", "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/api-keys", "/v1/api-keys", `{"kind":"agent","owner":"bot","scopes":["read","send"]}`,
		"401 403 202 403 403 403 201 201 201"},
	{"POST /v1/api-keys", "/v1/api-keys", `{"kind":"admin","owner":"root{n}","scopes":["admin"]}`,
		"401 403 403 403 403 403 201 201 201"},
	{"POST /v1/api-keys", "/v1/api-keys", `{"kind":"approver","owner":"boss{n}","scopes":["oversight"]}`,
		"401 403 403 403 403 201 403 403 201"},
	{"PATCH /v1/api-keys/{id}", "/v1/api-keys/{key}", `{"name":"n"}`, "401 403 403 403 403 403 200 200 200"},
	{"PATCH /v1/api-keys/{id}", "/v1/api-keys/{key}", `{"scopes":["read"]}`, "401 403 403 403 403 200 200 200 200"},
	{"PATCH /v1/api-keys/{id}", "/v1/api-keys/{key}", `{"scopes":["read","send"]}`, "401 403 403 403 403 403 403 403 403"},
	{"DELETE /v1/api-keys/{id}", "/v1/api-keys/{key}", "", "401 403 403 403 403 200 200 200 200"},
	{"GET /v1/mails", "/v1/mails", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/mails/{id}", "/v1/mails/{held}", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/mails/{id}/cancel", "/v1/mails/{held}/cancel", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/mails/{id}/retry", "/v1/mails/{ready}/retry", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/mails/{id}/hold", "/v1/mails/{ready}/hold", "", "401 403 403 403 403 200 200 200 200"},
	{"GET /v1/suppression", "/v1/suppression", "", "401 403 403 403 403 403 200 200 200"},
	{"DELETE /v1/suppression/{address}", "/v1/suppression/nobody@b.example", "",
		"401 403 202 202 403 404 403 403 404"},
	{"GET /v1/audit-log", "/v1/audit-log", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/audit-log/export", "/v1/audit-log/export", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/doctor", "/v1/doctor", "", "401 403 403 403 403 403 200 200 200"},
	{"GET /v1/clock", "/v1/clock", "", "401 403 403 403 200 200 200 200 200"},
	{"POST /v1/search/reindex", "/v1/search/reindex", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/clock/accept", "/v1/clock/accept", "", "401 403 403 403 403 403 200 200 200"},
	{"POST /v1/audit-log/verify", "/v1/audit-log/verify", "", "401 403 403 403 403 403 200 200 200"},

	{"POST /v1/verify", "/v1/verify", `{"mail":"RnJvbTogYUBiLmV4YW1wbGUNCg0KaGkNCg=="}`,
		"401 200 200 200 200 200 200 200 200"},

	{"POST /v1/freeze", "/v1/freeze", `{"scope":"all","reason":"r"}`, "401 403 403 403 403 200 200 200 200"},
	{"POST /v1/freeze", "/v1/freeze", `{"scope":"mailbox:bot@a.example"}`, "401 200 200 403 403 200 200 200 200"},
	{"POST /v1/freeze", "/v1/freeze", `{"scope":"agent:bot"}`, "401 200 200 403 403 200 200 200 200"},
	{"POST /v1/thaw", "/v1/thaw{+frozen}", `{"scope":"all"}`, "401 403 403 403 403 200 403 403 200"},
	{"GET /v1/freezes", "/v1/freezes", "", "401 403 403 403 200 200 200 200 200"},
}

// fill puts fresh things in the place of braces.
func (h *fixture) fill(n int, parts ...string) []string {
	h.t.Helper()
	has := func(s string) bool { return strings.Contains(strings.Join(parts, " "), s) }
	with := h.outgoing(has)
	with = append(with, "{n}", fmt.Sprint(n),
		"{+notice}", "", "{+gated}", "", "{+frozen}", "", "{+kept}", "", "{+spare}", "")
	if has("{notice}") || has("{+notice}") {
		_, id := h.rejected()
		with = append(with, "{notice}", id)
	}
	with = append(with, h.incoming(has)...)
	approver := h.principal("approver")
	h.Update(func(tx store.Tx) (err error) {
		if has("{entry}") {
			e, err := h.Registry.AllowAdd(tx, approver, mail.MustAddress(bot), fmt.Sprintf("e%d@b.example", n), "")
			if err != nil {
				return err
			}
			with = append(with, "{entry}", e.ID)
		}
		if yes := true; has("{+kept}") {
			keep := registry.MailboxPatch{KeepPatch: registry.KeepPatch{LegalHold: &yes}}
			_, err = h.Registry.SetMailbox(tx, approver, mail.MustAddress(bot), keep)
		}
		if has("{+spare}") {
			err = h.spare(tx, n)
		}
		if has("{+gated}") {
			_, err = h.Registry.SetMode(tx, approver, mail.MustAddress(bot), mail.GatedSend)
		}
		if has("{agent}") {
			_, _, err = h.Registry.AddAgent(tx, registry.Socket(0, false), fmt.Sprintf("temp%d", n), "")
			with = append(with, "{agent}", fmt.Sprintf("temp%d", n))
		}
		if has("{domain}") {
			_, err = h.Registry.AddDomain(tx, registry.Socket(0, false), fmt.Sprintf("temp%d.example", n))
			with = append(with, "{domain}", fmt.Sprintf("temp%d.example", n))
		}
		made, failed := h.credentials(tx, n, has)
		if err == nil {
			err = failed
		}
		with = append(with, made...)
		if err == nil && has("{+frozen}") {
			err = h.Registry.Freeze(tx, approver, registry.FreezeScope{Kind: registry.FreezeAll}, "")
		}
		return err
	})
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = strings.NewReplacer(with...).Replace(p)
	}
	return out
}

// spare adds a mailbox that a row ends.
func (h *fixture) spare(tx store.Tx, n int) error {
	box := mail.MustAddress(fmt.Sprintf("spare%d@a.example", n))
	_, err := h.Registry.AddMailbox(tx, registry.Socket(0, false), box, []string{"bot"})
	return err
}

// outgoing sends the mail that a row names.
func (h *fixture) outgoing(has func(string) bool) (with []string) {
	h.t.Helper()
	if has("{held}") {
		r := h.held()
		with = append(with, "{held}", r.ID, "{digest}", r.Digest)
	}
	if has("{ready}") {
		with = append(with, "{ready}", h.approved().ID)
	}
	if has("{scheduled}") {
		with = append(with, "{scheduled}", h.scheduled("").ID)
	}
	return with
}

// incoming brings the mail of the world that a row names.
func (h *fixture) incoming(has func(string) bool) (with []string) {
	h.t.Helper()
	if has("{arrived}") {
		with = append(with, "{arrived}", string(h.arrive(brought(adasMail)).ID))
	}
	if has("{spam}") {
		m := h.arrive(brought(adasMail))
		h.want(200, "sender", "POST", "/v1/emails/"+string(m.ID)+"/report-spam", "")
		with = append(with, "{spam}", string(m.ID), "{spamdigest}", string(m.Digest))
	}
	return with
}

// credentials makes the credentials of the agent bot that a row names.
func (h *fixture) credentials(tx store.Tx, n int, has func(string) bool) (with []string, _ error) {
	socket := registry.Socket(0, false)
	if has("{certificate}") {
		c, err := h.Registry.AddCertificate(tx, socket,
			registry.CertificateRequest{Agent: "bot", SAN: fmt.Sprintf("dns:bot%d.example", n)})
		if err != nil {
			return nil, err
		}
		with = append(with, "{certificate}", c.ID)
	}
	if has("{key}") {
		k, _, err := h.Registry.AddKey(tx, socket, registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot"})
		if err != nil {
			return nil, err
		}
		with = append(with, "{key}", k.ID)
	}
	if has("{client}") {
		c, _, err := h.s.o.OAuth.Server.AddClient(tx, socket, authserver.NewClient{Method: authserver.MethodPost,
			Redirects: []string{"https://client.test/"}})
		if err != nil {
			return nil, err
		}
		with = append(with, "{client}", c.ID)
	}
	if has("{grant}") {
		g, err := h.Registry.Grant(tx, socket, registry.GrantRequest{Kind: registry.KindAgent, Owner: "bot",
			Client: "mmc_1", Resource: publicURL + "/mcp", Scopes: []registry.Scope{registry.ScopeRead}}, true)
		if err != nil {
			return nil, err
		}
		with = append(with, "{grant}", g.ID)
	}
	if has("{binding}") {
		b, err := h.Registry.Bind(tx, socket, registry.BindingRequest{Kind: registry.KindAgent,
			Owner: "bot", Issuer: "corp", Object: fmt.Sprintf("b%d", n)})
		if err != nil {
			return nil, err
		}
		with = append(with, "{binding}", b.ID)
	}
	return with, nil
}

func TestEveryoneIsAnsweredWhatTheTableOfRightsSays(t *testing.T) {
	for i, row := range rights {
		t.Run(fmt.Sprintf("%s %s", row.route, row.body), func(t *testing.T) {
			h := newFixture(t)
			method, _, _ := strings.Cut(row.route, " ")
			for n, want := range strings.Fields(row.want) {
				as := everyone[n]
				cell := h.fill(100*i+n, row.target, row.body)
				if r := h.do(as, method, cell[0], cell[1]); fmt.Sprint(r.status) != want {
					t.Errorf("%s: got %d %s, want %s", as, r.status, r.body, want)
				}
			}
		})
	}
}

func TestTheTableOfRightsCoversEveryOperation(t *testing.T) {
	for _, op := range api.Operations.Operations() {
		if !slices.ContainsFunc(rights, func(row struct {
			route, target, body,
			want string
		}) bool {
			return row.route == op.Route()
		}) {
			t.Errorf("%s is not in the table", op)
		}
	}
	for _, row := range rights {
		if len(strings.Fields(row.want)) != len(everyone) {
			t.Errorf("%s: %s does not answer everyone", row.route, row.want)
		}
	}
}

func TestRefusedOperationsLeaveAnEntryAndReadingDoesNot(t *testing.T) {
	h := newFixture(t)
	before := len(h.entries())
	h.want(403, "sender", "GET", "/v1/agents", "")
	if n := len(h.entries()); n != before {
		t.Errorf("reading made %d entries", n-before)
	}
	h.want(403, "sender", "POST", "/v1/thaw", `{"scope":"all"}`)
	e := h.entries()
	if len(e) != before+1 || e[0].Kind != "policy.refuse" || e[0].Actor.ID != "agent:bot" || e[0].Facts["op"] != "thaw" {
		t.Errorf("got %+v", e[0])
	}
}

func TestARevokedKeyEndsAtOnce(t *testing.T) {
	h := newFixture(t)
	h.want(200, "sender", "DELETE", "/v1/api-keys/"+h.ids["sender"], "")
	h.want(401, "sender", "GET", "/v1/mailboxes", "")
}

func TestAnApproverOfOneMailboxSeesNoOther(t *testing.T) {
	h := newFixture(t)
	h.key("narrow", h.principal("approver"), registry.KeyRequest{Kind: registry.KindApprover, Owner: "nan",
		Scopes: []registry.Scope{registry.ScopeOversight,
			registry.ScopeOversightRead}, Mailboxes: []mail.Address{mail.MustAddress(other)}})
	mine := h.held()
	theirs := into[api.Receipt](h, h.want(202, "other", "POST", "/v1/send", draft))
	list := into[api.PendingList](h, h.want(200, "narrow", "GET", "/v1/oversight/pending", ""))
	if len(list.Emails) != 1 || list.Emails[0].ID != theirs.ID {
		t.Errorf("got %+v", list)
	}
	h.want(404, "narrow", "GET", "/v1/oversight/pending/"+mine.ID, "")
	h.want(404, "narrow", "POST", "/v1/oversight/decide", `{"email_id":"`+mine.ID+`","action":"reject"}`)
	h.want(200, "narrow", "POST", "/v1/oversight/decide", `{"email_id":"`+theirs.ID+`","action":"reject"}`)
	if m, err := h.Queue.Mail(context.Background(), mail.ID(mine.ID)); err != nil || m.State != mail.Held {
		t.Errorf("got %v, %v", m.State, errors.Join(err))
	}
}
