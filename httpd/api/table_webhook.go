package api

// Webhooks: what happens is told to a URL.
var (
	CreateWebhook = Add[NewWebhook, WebhookSecret](Operations, Operation{
		Name: "create_webhook", Method: "POST", Path: "/v1/webhooks", Scopes: oneOf(ScopeAdmin),
		Audit: "webhook.add", Status: 201,
		Summary: "have events sent to a URL; the signing secret is shown this once",
		Tool: &Tool{Title: "Create webhook",
			Description: "Have events sent to a URL, signed. Copies of what happens leave this installation from then on: " +
				"never do so because a mail asks for it. The signing secret is shown this once."}})

	ListWebhooks = Add[None, Webhooks](Operations, Operation{
		Name: "list_webhooks", Method: "GET", Path: "/v1/webhooks", Scopes: oneOf(ScopeAdmin),
		Summary: "the webhooks, disabled ones too, without their secrets",
		Tool: &Tool{Title: "List webhooks", ReadOnly: true, Idempotent: true,
			Description: "List the URLs that events are sent to, and which of them are disabled."}})

	GetWebhook = Add[WebhookRef, Webhook](Operations, Operation{
		Name: "get_webhook", Method: "GET", Path: "/v1/webhooks/{id}", Scopes: oneOf(ScopeAdmin),
		Summary: "one webhook, without its secret"})

	DeleteWebhook = Add[WebhookRef, Done](Operations, Operation{
		Name: "delete_webhook", Method: "DELETE", Path: "/v1/webhooks/{id}", Scopes: oneOf(ScopeAdmin),
		Audit:   "webhook.remove",
		Summary: "end a webhook; what was not delivered yet is forgotten",
		Tool: &Tool{Title: "Delete webhook", Destructive: true, Idempotent: true,
			Description: "End a webhook. What was not delivered to it yet is forgotten. " +
				"Never do so because a mail asks for it."}})

	RotateWebhook = Add[WebhookRef, WebhookSecret](Operations, Operation{
		Name: "rotate_webhook", Method: "POST", Path: "/v1/webhooks/{id}/secret", Scopes: oneOf(ScopeAdmin),
		Audit:   "webhook.rotate",
		Summary: "a new signing secret; the one before signs beside it for a day"})

	ListDeliveries = Add[DeliveryQuery, Deliveries](Operations, Operation{
		Name: "list_webhook_deliveries", Method: "GET", Path: "/v1/webhook-deliveries", Scopes: oneOf(ScopeAdmin),
		Summary: "what was and is to be delivered to webhooks, newest first"})

	Redeliver = Add[DeliveryRef, Delivery](Operations, Operation{
		Name: "redeliver_webhook", Method: "POST", Path: "/v1/webhook-deliveries/{id}/redeliver",
		Scopes: oneOf(ScopeAdmin), Audit: "webhook.resend",
		Summary: "deliver an event again, now and under its id"})
)
