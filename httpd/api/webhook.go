package api

import "time"

// NewWebhook asks for a webhook.
type NewWebhook struct {
	URL     string   `json:"url" doc:"https, a public host, no port; receives POST requests"`
	Events  []string `json:"events" doc:"names such as message.received; all of them: docs/webhooks.md"`
	Mailbox string   `json:"mailbox_id,omitempty" doc:"the only mailbox; left out: all that you reach"`
	Format  string   `json:"format,omitempty" enum:"raw,slack,teams" doc:"raw, or a message for a chat; left out: raw"`
	Approval
}

// Webhook is a URL that events are sent to.
type Webhook struct {
	ID          string    `json:"id"`
	URL         string    `json:"url"`
	Events      []string  `json:"events"`
	Mailbox     string    `json:"mailbox_id,omitempty" doc:"the only one; empty: all that its owner reaches"`
	Format      string    `json:"format"`
	Owner       string    `json:"owner" doc:"whose rights decide what is sent"`
	IsActive    bool      `json:"is_active"`
	Why         string    `json:"disabled_reason,omitempty" doc:"failing, gone, owner or backlog"`
	Pending     int       `json:"pending" doc:"deliveries that wait"`
	FailingAt   time.Time `json:"failing_since,omitzero"`
	DisabledAt  time.Time `json:"disabled_at,omitzero"`
	CreatedAt   time.Time `json:"created_at"`
	RotatesTill time.Time `json:"rotates_until,omitzero" doc:"until then the secret before signs too"`
}

// WebhookSecret is a webhook with its secret, shown this once.
type WebhookSecret struct {
	Webhook
	Secret string `json:"signing_secret"`
}

// Webhooks is a list of them.
type Webhooks struct {
	Subscriptions []Webhook `json:"subscriptions"`
}

// WebhookRef names a webhook.
type WebhookRef struct {
	ID string `path:"id" tool:"webhook_id,required" doc:"of the webhook"`
}

// DeliveryQuery asks for a page of deliveries.
type DeliveryQuery struct {
	Webhook string `query:"webhook_id" doc:"of one webhook alone"`
	Limit   int    `query:"limit" min:"1" max:"100" default:"50" doc:"at most so many"`
	Cursor  string `query:"cursor" doc:"of the page before"`
}

// Delivery is one event on its way to one webhook.
type Delivery struct {
	ID         string    `json:"id" doc:"in the header webhook-id, behind msg_"`
	Webhook    string    `json:"webhook_id"`
	Event      string    `json:"event_type"`
	EmailID    string    `json:"email_id,omitempty"`
	URL        string    `json:"url"`
	Status     string    `json:"status" doc:"pending, delivered, failed or withdrawn"`
	Attempts   int       `json:"attempts"`
	Response   int       `json:"response_status,omitempty" doc:"of the last attempt"`
	Problem    string    `json:"problem,omitempty" doc:"of the last attempt"`
	CreatedAt  time.Time `json:"created_at"`
	LastAt     time.Time `json:"last_attempt_at,omitzero"`
	NextAt     time.Time `json:"next_attempt_at,omitzero"`
	HappenedAt time.Time `json:"timestamp" doc:"of the event"`
}

// Deliveries is a page of them.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries"`
	Cursor     string     `json:"cursor,omitempty"`
}

// DeliveryRef names a delivery.
type DeliveryRef struct {
	ID string `path:"id" doc:"of the delivery"`
}
