package api

import (
	"context"
	"time"
)

// Mail is one mail as its operator sees it: its standing, not its words.
type Mail struct {
	ID            string      `json:"id"`
	Rev           int         `json:"rev"`
	Digest        string      `json:"digest"`
	State         string      `json:"state"`  // held, ready, sending, sent, failed, rejected, cancelled, expired
	Status        string      `json:"status"` // the same in the words of agents
	Mailbox       string      `json:"mailbox"`
	Agent         string      `json:"agent"`
	AgentRef      string      `json:"agent_ref,omitempty"`
	Author        string      `json:"author"`
	Door          string      `json:"door"`
	From          string      `json:"from"`
	Subject       string      `json:"subject"`
	MessageID     string      `json:"message_id"`
	Size          int64       `json:"size"`
	Basis         string      `json:"basis"` // none, open, allowlist, approved
	Recipients    []Recipient `json:"recipients"`
	Decisions     []Decision  `json:"decisions,omitempty"`
	Release       *Release    `json:"release,omitempty"`
	Attempts      int         `json:"attempts"`
	SubmittedAt   time.Time   `json:"submitted_at"`
	ExpiresAt     time.Time   `json:"expires_at,omitzero"`
	SendAt        time.Time   `json:"send_at,omitzero"`
	ReleasedAt    time.Time   `json:"released_at,omitzero"`
	NextAttemptAt time.Time   `json:"next_attempt_at,omitzero"`
	FinishedAt    time.Time   `json:"finished_at,omitzero"`
	Damaged       bool        `json:"damaged,omitempty"` // its record cannot be read; nothing else but ID is known
}

// Release is why and under whose name a mail left.
type Release struct {
	Mode     string    `json:"mode"`
	Basis    string    `json:"basis"`
	By       string    `json:"by"` // human, reviewer, allowlist, none
	At       time.Time `json:"at"`
	Ref      string    `json:"ref"`
	Operator string    `json:"operator"`
}

// Mails is a page of them, newest first.
type Mails struct {
	Mails  []Mail `json:"mails"`
	Cursor string `json:"cursor,omitempty"`
}

// MailQuery chooses mails; zero values choose all.
type MailQuery struct {
	State   string
	Mailbox string
	Limit   int // at most 100; 0: 20
	Cursor  string
}

// Mails lists mail of every mailbox.
func (c *Client) Mails(ctx context.Context, q MailQuery) (Mails, error) {
	v := query{}
	v.set("state", q.State)
	v.set("mailbox", q.Mailbox)
	v.int("limit", q.Limit)
	v.set("cursor", q.Cursor)
	return call[Mails](ctx, c, "GET", "/v1/mails"+v.String(), nil)
}

// Mail returns one mail.
func (c *Client) Mail(ctx context.Context, id string) (Mail, error) {
	return call[Mail](ctx, c, "GET", path("mails", id), nil)
}

// CancelMail withdraws anybody's mail that is not on its way yet.
func (c *Client) CancelMail(ctx context.Context, id string) (Mail, error) {
	return c.order(ctx, id, "cancel")
}

// RetryMail makes a queued mail due now.
func (c *Client) RetryMail(ctx context.Context, id string) (Mail, error) {
	return c.order(ctx, id, "retry")
}

// HoldMail puts a queued mail back before an approver.
func (c *Client) HoldMail(ctx context.Context, id string) (Mail, error) {
	return c.order(ctx, id, "hold")
}

func (c *Client) order(ctx context.Context, id, verb string) (Mail, error) {
	return call[Mail](ctx, c, "POST", path("mails", id, verb), nil)
}
