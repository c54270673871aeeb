package httpd

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// oneWebhook stands in for webhooks: what they do is tested elsewhere.
type oneWebhook struct{ registry *registry.Registry }

const webhookID = "01HZZZZZZZZZZZZZZZZZZZZZZW"

var (
	hooked = api.Webhook{ID: webhookID, URL: "https://hooks.example/x", Events: []string{"message.sent"}, Format: "raw",
		Owner: "admin:root", IsActive: true, Pending: 1, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	delivered = api.Delivery{ID: webhookID, Webhook: webhookID, Event: "message.sent", URL: hooked.URL,
		Status: "delivered", Attempts: 1, Response: 204, CreatedAt: hooked.CreatedAt, HappenedAt: hooked.CreatedAt}
)

func (w oneWebhook) Add(tx store.Tx, p registry.Principal, q api.NewWebhook) (api.WebhookSecret, error) {
	if _, err := w.registry.Configures(tx, p); err != nil {
		return api.WebhookSecret{}, err
	}
	return api.WebhookSecret{Webhook: hooked, Secret: "whsec_" + q.URL}, nil
}

func (oneWebhook) Check(_ store.Tx, _ registry.Principal, q api.NewWebhook) error {
	if q.URL == "" {
		return mail.ErrInvalid.Errorf("no url")
	}
	return nil
}

func (oneWebhook) List(store.Tx) ([]api.Webhook, error) { return []api.Webhook{hooked}, nil }

func (oneWebhook) Get(_ store.Tx, id string) (api.Webhook, error) {
	if id != webhookID {
		return api.Webhook{}, mail.ErrNotFound.Errorf("no such webhook")
	}
	return hooked, nil
}

func (w oneWebhook) Remove(tx store.Tx, _ registry.Principal, id string) error {
	_, err := w.Get(tx, id)
	return err
}

func (w oneWebhook) Rotate(tx store.Tx, _ registry.Principal, id string) (api.WebhookSecret, error) {
	v, err := w.Get(tx, id)
	return api.WebhookSecret{Webhook: v, Secret: "whsec_new"}, err
}

func (oneWebhook) Deliveries(_ store.Tx, _ string, before mail.ID, limit int) ([]api.Delivery, error) {
	if before != "" {
		return []api.Delivery{}, nil
	}
	return []api.Delivery{delivered, delivered}[:min(limit, 2)], nil
}

func (oneWebhook) Redeliver(store.Tx, registry.Principal, string) (api.Delivery, error) {
	return delivered, nil
}

func TestPagesOfDeliveriesFollowByCursor(t *testing.T) {
	h := newFixture(t)
	h.want(200, "admin", "GET", "/v1/webhook-deliveries?limit=2&cursor="+webhookID, "")
	for target, cursor := range map[string]bool{"?limit=1": true, "?limit=3": false,
		"?limit=2&cursor=" + webhookID: false} {
		var page api.Deliveries
		body := h.want(200, "admin", "GET", "/v1/webhook-deliveries"+target, "").body
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		if (page.Cursor != "") != cursor {
			t.Errorf("%s: the cursor is %q", target, page.Cursor)
		}
	}
	h.want(400, "admin", "GET", "/v1/webhook-deliveries?cursor=x", "")
	h.want(404, "admin", "GET", "/v1/webhooks/x", "")
}

func TestWithoutWebhooksNoneAreAdded(t *testing.T) {
	h := newFixture(t)
	h.s.o.Webhooks = nil
	h.want(409, "admin", "POST", "/v1/webhooks", `{"url":"https://x.test/","events":["message.sent"]}`)
}

// What nobody could own is refused before the operator is mailed a code for it.
func TestAnAgentGetsAWebhookByACode(t *testing.T) {
	h := newFixture(t)
	h.want(400, "sender", "POST", "/v1/webhooks", `{"url":"","events":["message.sent"]}`)
	if len(h.codes) > 0 {
		t.Errorf("%d codes were mailed for what cannot be", len(h.codes))
	}
	const asked = `{"url":"https://x.test/","events":["message.sent"]`
	code := h.asksFor("sender", "POST", "/v1/webhooks", asked+"}")
	h.want(409, "sender", "POST", "/v1/webhooks",
		`{"url":"https://y.test/","events":["message.sent"],"approval_code":"`+code+`"}`)
	h.want(201, "sender", "POST", "/v1/webhooks", asked+`,"approval_code":"`+code+`"}`)
	h.want(403, "sender", "GET", "/v1/webhooks", "")
}
