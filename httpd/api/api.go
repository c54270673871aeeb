// Package api describes MultiMail's HTTP interface: [Operations] is the table of
// every operation with the types of its request and its answer, and [Call] makes
// one. It knows nothing of the server, so any program may use it.
//
// Three things hold everywhere. The id of a mailbox is its address. A list that
// has more carries a cursor, which the next request hands back. An error is
// {"error": "text", "code": "word"}, with a hint when there is something to do about it, and
// reaches the caller as an [Error].
//
//	c := api.New("https://mail.example.com", os.Getenv("MULTIMAIL_API_KEY"))
//	r, err := api.Call(ctx, c, api.SendEmail, api.SendRequest{Mailbox: "bot@example.com", Draft: api.Draft{
//		To: []string{"ada@example.org"}, Subject: "Hello", Markdown: "Good *morning*.",
//	}})
//
// The client retries nothing: whether a request may be made twice is for its
// caller to know, who has idempotency keys for that.
package api

import (
	"fmt"
	"time"
)

// The words for where a mail stands, as agents and approvers see them.
const (
	StatusHeld      = "pending_send_approval" // waits for a decision
	StatusScheduled = "scheduled"             // may leave, at its time
	StatusQueued    = "queued"                // on its way
	StatusSent      = "sent"                  // at least one recipient's server took it
	StatusFailed    = "send_failed"           // no recipient's server took it
	StatusRejected  = "rejected"              // an approver said no
	StatusCancelled = "cancelled"             // its author withdrew it
	StatusExpired   = "expired"               // nobody decided in time
	StatusUnread    = "unread"                // in the inbox, not read yet
	StatusRead      = "read"                  // in the inbox, read
	StatusArchived  = "archived"              // received, put aside
	StatusDeleted   = "deleted"               // received, and thrown away by its reader

	StatusHeldInbound = "pending_inbound_approval" // incoming: waits for a decision
	StatusQuarantined = "spam_quarantined"         // incoming: taken for spam, waits for a decision
	StatusErased      = "erased"                   // its bytes are gone
	StatusFlagged     = "spam_flagged"             // a choice of a list: received, and likely unwanted
)

// What a filter makes of a mail.
const (
	SpamClean       = "clean"
	SpamFlagged     = "flagged"     // likely unwanted
	SpamQuarantined = "quarantined" // taken for unwanted
)

// Error is an answer that is not a success.
type Error struct {
	Status     int           `json:"-"` // of HTTP
	Message    string        `json:"error"`
	Code       string        `json:"code,omitempty" doc:"what it is, in one word that stays: docs/errors.md lists them"`
	Hint       string        `json:"hint,omitempty" doc:"what to do about it"`
	Ref        string        `json:"ref,omitempty" doc:"finds the cause in the server's log"`
	RetryAfter time.Duration `json:"-"` // zero: the server named no time

	// Of a mail that is refused because its sending domain is new (docs/errors.md).
	Stage int  `json:"warmup_stage,omitempty" doc:"how far the warm-up of the sending domain is, from 1"`
	Sent  *int `json:"daily_sent,omitempty" doc:"recipients that its mail has on that day so far"`
	Limit int  `json:"daily_limit,omitempty" doc:"how many it may have"`
}

func (e *Error) Error() string {
	if e.Ref != "" {
		return fmt.Sprintf("%s (ref %s)", e.Message, e.Ref)
	}
	return e.Message
}

// Health is the answer of the health check.
type Health struct {
	Status string `json:"status" doc:"'ok' or 'degraded'"`
	Clock  string `json:"clock,omitempty" doc:"'ok' or 'in doubt': nothing ends or leaves by the time of day"`
}

// HTTPStatus implements Outcome.
func (h Health) HTTPStatus() int {
	if h.Status != "ok" {
		return 503
	}
	return 200
}

// Account is who answers for the installation.
type Account struct {
	Name           string `json:"name" doc:"of the operator"`
	OversightEmail string `json:"oversight_email,omitempty" doc:"gets copies of monitored mail"`
	Postal         string `json:"physical_address,omitempty" doc:"postal address of the operator; no mail bears it"`

	SendingDisabled bool   `json:"sending_disabled" doc:"everything is frozen, or the account deleted: no mail leaves"`
	DisabledReason  string `json:"sending_disabled_reason,omitempty" doc:"'frozen' or 'deleted'"`

	DeletedAt time.Time `json:"deleted_at,omitzero" doc:"it was closed for good"`
}

// AccountDeletion closes the account.
type AccountDeletion struct{ ApprovalHeader }

// DeletedAccount is an account that is closed for good.
type DeletedAccount struct {
	Status     string    `json:"status" doc:"'deleted'"`
	DeletedAt  time.Time `json:"deleted_at"`
	Message    string    `json:"message" doc:"what becomes of the contents"`
	LegalHolds []string  `json:"legal_holds,omitempty" doc:"mailboxes that keep their contents until the hold is lifted"`
	Past       []string  `json:"past,omitempty" doc:"mails that could not be stopped: the next hop had them already"`
}

// AccountPatch names what shall change; nil leaves a value as it is.
type AccountPatch struct {
	Name           *string `json:"name,omitempty" doc:"of the operator"`
	OversightEmail *string `json:"oversight_email,omitempty" doc:"gets copies of monitored mail"`
	Postal         *string `json:"physical_address,omitempty" doc:"postal address on one line; empty: none"`
	Approval
}

// Usage counts what the credential's mailboxes did in a span of time.
type Usage struct {
	From             time.Time `json:"from"`
	To               time.Time `json:"to"`
	EmailsSent       int       `json:"emails_sent" doc:"submitted in the span and sent"`
	EmailsReceived   int       `json:"emails_received" doc:"taken into the inbox"`
	OversightActions int       `json:"oversight_actions" doc:"decisions over the mail submitted"`
	Partial          bool      `json:"partial,omitempty" doc:"there is more mail than one request counts"`
	Breakdown        string    `json:"breakdown,omitempty" doc:"daily: data has the counts of each day"`
	Data             []Daily   `json:"data,omitempty" doc:"days on which something was counted, the earliest first"`
}

// Daily is one count of one day (UTC), that on which the mail was submitted or came in.
type Daily struct {
	Date      string `json:"date" doc:"such as 2026-01-31"`
	EventType string `json:"event_type" doc:"emails_sent, emails_received or oversight_actions"`
	Count     int    `json:"count"`
}
