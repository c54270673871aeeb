package api

import (
	"context"
	"time"
)

// Draft is a mail to send. Everybody in Bcc gets it and stands in no header.
type Draft struct {
	MailboxID      string       `json:"mailbox_id,omitempty"` // for SendAny: which mailbox
	From           string       `json:"from,omitempty"`       // the same by its other name
	To             []string     `json:"to"`
	Cc             []string     `json:"cc,omitempty"`
	Bcc            []string     `json:"bcc,omitempty"`
	Subject        string       `json:"subject"`
	Markdown       string       `json:"markdown"`
	Attachments    []Attachment `json:"attachments,omitempty"`
	InReplyTo      string       `json:"in_reply_to,omitempty"`     // Message-ID of the mail this one answers
	References     []string     `json:"references,omitempty"`      // Message-IDs of the thread, oldest first
	IdempotencyKey string       `json:"idempotency_key,omitempty"` // joins repetitions for 24 hours; also a header
	SendAt         string       `json:"send_at,omitempty"`         // RFC 3339 in UTC; empty: at once
}

// Attachment is a file of a draft.
type Attachment struct {
	Name          string `json:"name"`
	ContentBase64 string `json:"content_base64"`
	ContentType   string `json:"content_type"`
}

// Receipt is what became of a draft.
type Receipt struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	ThreadID   string `json:"thread_id"`
	Message    string `json:"message,omitempty"` // what that means, for a model to read
	Digest     string `json:"digest,omitempty"`
	Idempotent bool   `json:"idempotent,omitempty"` // an earlier request with this key made it
}

// Summary is a mail of a mailbox in a list: one it sends, or a delivery notice
// in its inbox.
type Summary struct {
	ID             string    `json:"id"`
	MailboxID      string    `json:"mailbox_id"`
	ThreadID       string    `json:"thread_id"`
	Direction      string    `json:"direction"` // "outbound" or "inbound"
	From           string    `json:"from"`
	To             []string  `json:"to"`
	Subject        string    `json:"subject"`
	Status         string    `json:"status"`
	ReceivedAt     time.Time `json:"received_at"` // when this server took it
	HasAttachments bool      `json:"has_attachments"`
	DeliveredAt    time.Time `json:"delivered_at,omitzero"`
	About          string    `json:"about,omitempty"`   // a notice: the mail it tells of
	Damaged        bool      `json:"damaged,omitempty"` // its record cannot be read; nothing else is known
	Action         string    `json:"action,omitempty"`  // a notice: failed, rejected, expired, delayed, delivered
}

// Emails is a page of summaries, newest first.
type Emails struct {
	Emails []Summary `json:"emails"`
	Cursor string    `json:"cursor,omitempty"` // empty: the end
}

// Email is one mail of a mailbox. Subject, Text, the names of attachments and
// the words of other servers come from strangers: they are data.
type Email struct {
	Summary
	Cc            []string    `json:"cc,omitempty"`
	Bcc           []string    `json:"bcc,omitempty"`
	Text          string      `json:"text"`
	TextCut       bool        `json:"text_cut,omitempty"` // there is more text
	Attachments   []File      `json:"attachments,omitempty"`
	Digest        string      `json:"digest,omitempty"`
	Rev           int         `json:"rev,omitempty"` // grows with every change of the status
	Size          int64       `json:"size"`
	Recipients    []Recipient `json:"recipients,omitempty"`
	Decision      *Decision   `json:"decision,omitempty"`
	SendAt        time.Time   `json:"send_at,omitzero"`
	ApprovedAt    time.Time   `json:"approved_at,omitzero"`
	ExpiresAt     time.Time   `json:"expires_at,omitzero"` // of the hold
	NextAttemptAt time.Time   `json:"next_attempt_at,omitzero"`
	Attempts      int         `json:"attempts,omitempty"`
	FinishedAt    time.Time   `json:"finished_at,omitzero"`
}

// File is an attachment as a list names it.
type File struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
}

// Recipient is how far one recipient has got.
type Recipient struct {
	Address  string    `json:"address"`
	Hidden   bool      `json:"hidden,omitempty"` // no header shows it
	Copy     bool      `json:"copy,omitempty"`   // the oversight address
	Notify   []string  `json:"notify,omitempty"` // NEVER, or any of SUCCESS, FAILURE, DELAY
	ORcpt    string    `json:"orcpt,omitempty"`  // the original recipient that notices name
	Status   string    `json:"status"`           // pending, delivered, bounced
	Code     int       `json:"code,omitempty"`   // the last reply of its server
	Enhanced string    `json:"enhanced,omitempty"`
	Message  string    `json:"message,omitempty"`
	Remote   string    `json:"remote,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

// Decision is an approver's word over a mail.
type Decision struct {
	Verdict string    `json:"verdict"` // "approved" or "rejected"
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`     // not told to agents
	Kind    string    `json:"kind,omitempty"`   // "reviewer" or "human"
	Digest  string    `json:"digest,omitempty"` // what was decided over
}

// EmailQuery chooses mails of a mailbox; zero values choose all.
type EmailQuery struct {
	Status    string // one of the status words
	Direction string // "outbound" or "inbound"
	SinceID   string // only what is newer than this id
	Limit     int    // at most 100; 0: 20
	Cursor    string
}

// WaitQuery chooses what Wait waits for.
type WaitQuery struct {
	Timeout         time.Duration // 5 to 120 seconds; 0: 30
	Sender          string        // part of the sender, without regard to case
	SubjectContains string        // part of the subject, without regard to case
	SinceID         string        // what is newer; empty: what is unread
}

// Waited is what Wait found.
type Waited struct {
	Found         bool      `json:"found"`
	Emails        []Summary `json:"emails"`
	Timeout       bool      `json:"timeout,omitempty"`
	WaitedSeconds int       `json:"waited_seconds"`
}

// Send hands a draft over. A held mail waits for a human: it must not be sent
// again.
func (c *Client) Send(ctx context.Context, mailbox string, d Draft) (Receipt, error) {
	return call[Receipt](ctx, c, "POST", path("mailboxes", mailbox, "send"), d)
}

// SendAny is Send from the mailbox the draft names, or else from the only one
// the credential has.
func (c *Client) SendAny(ctx context.Context, d Draft) (Receipt, error) {
	return call[Receipt](ctx, c, "POST", "/v1/send", d)
}

// Emails lists a mailbox.
func (c *Client) Emails(ctx context.Context, mailbox string, q EmailQuery) (Emails, error) {
	v := query{}
	v.set("status", q.Status)
	v.set("direction", q.Direction)
	v.set("since_id", q.SinceID)
	v.int("limit", q.Limit)
	v.set("cursor", q.Cursor)
	return call[Emails](ctx, c, "GET", path("mailboxes", mailbox, "emails")+v.String(), nil)
}

// Email returns one mail; a notice counts as read then. With a wait of up to
// 45 seconds it answers when a held mail was decided or a queued one is
// finished, or when the time is over.
func (c *Client) Email(ctx context.Context, mailbox, id string, wait time.Duration) (Email, error) {
	v := query{}
	v.int("wait_seconds", int(wait/time.Second))
	return call[Email](ctx, c, "GET", path("mailboxes", mailbox, "emails", id)+v.String(), nil)
}

// Cancel withdraws a mail that is not on its way yet. Doing it twice is no error.
func (c *Client) Cancel(ctx context.Context, mailbox, id string) (Receipt, error) {
	return call[Receipt](ctx, c, "POST", path("mailboxes", mailbox, "emails", id, "cancel"), nil)
}

// Wait waits for mail in the inbox.
func (c *Client) Wait(ctx context.Context, mailbox string, q WaitQuery) (Waited, error) {
	v := query{}
	v.int("timeout_seconds", int(q.Timeout/time.Second))
	v.set("sender", q.Sender)
	v.set("subject_contains", q.SubjectContains)
	v.set("since_id", q.SinceID)
	return call[Waited](ctx, c, "GET", path("mailboxes", mailbox, "wait")+v.String(), nil)
}
