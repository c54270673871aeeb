package api

import (
	"context"
	"time"
)

// Pending is a mail that waits for a decision, as a list shows it. To and Cc
// are what the header shows; Bcc are the recipients that it does not show.
type Pending struct {
	ID        string   `json:"id"`
	Rev       int      `json:"rev"`
	Digest    string   `json:"digest"` // what an approval names
	Subject   string   `json:"subject"`
	Mailbox   string   `json:"mailbox"`
	MailboxID string   `json:"mailbox_id"`
	Direction string   `json:"direction"`
	Agent     string   `json:"agent"`
	AgentRef  string   `json:"agent_ref"`
	Door      string   `json:"door"` // smtp, http or mcp
	Mode      string   `json:"mode"` // of the mailbox, now
	From      string   `json:"from"`
	To        []string `json:"to"`
	Cc        []string `json:"cc"`
	Bcc       []string `json:"bcc"`
	More      int      `json:"more_named,omitempty"` // further addresses of To and Cc; the review has them

	// Recipients are those of the envelope: who gets it. A list of mails has the
	// first of them, those that the header hides before the others.
	Recipients     []Recipient `json:"recipients"`
	RecipientCount int         `json:"recipient_count"`

	Size        int64     `json:"size"`
	Attachments int       `json:"attachments"`
	SubmittedAt time.Time `json:"submitted_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	SendAt      time.Time `json:"send_at,omitzero"`
	Status      string    `json:"status"`
	Damaged     bool      `json:"damaged,omitempty"` // its record cannot be read; nothing else but ID is known
}

// PendingList is a page of them, oldest first.
type PendingList struct {
	Emails []Pending `json:"emails"`
	Cursor string    `json:"cursor,omitempty"`
}

// Review is all that an approver should see before a decision. The server made
// it from the very bytes that would be sent, with controls made visible.
type Review struct {
	Pending
	State     string     `json:"state"`
	Header    ReviewHead `json:"header"`
	Segments  []Segment  `json:"segments"` // what the mail says, in its order
	Differ    bool       `json:"differ"`   // the HTML may show something else than the text
	Links     []Link     `json:"links"`
	Parts     []Part     `json:"parts"`
	Fields    []Field    `json:"fields"`   // every header field
	Warnings  []Warning  `json:"warnings"` // what must be told before a decision
	Options   Options    `json:"options"`
	Decisions []Decision `json:"decisions,omitempty"`
}

// Segment is a stretch of what a mail says. What it is stands in Kind and Note,
// never in Text, so that no text of a mail can pass for another kind.
type Segment struct {
	Kind  string `json:"kind"`           // text, html, hidden, attached, outside, source or reading
	Part  string `json:"part,omitempty"` // path of the MIME part
	Depth int    `json:"depth"`          // attached messages around it, 0 in the mail itself
	Note  string `json:"note,omitempty"` // more about the kind, such as what hides it
	Text  string `json:"text"`
}

// Link is something that a program may turn into a link, or may fetch.
type Link struct {
	Target string `json:"target"`
	Text   string `json:"text,omitempty"` // what stands for it on the screen, where that is not the target
	Why    string `json:"why,omitempty"`  // it may lead elsewhere than it seems to
}

// Field is a header field of the mail or of one of its parts.
type Field struct {
	Part    string `json:"part,omitempty"` // path of the MIME part; none: of the mail
	Name    string `json:"name"`
	Value   string `json:"value"`
	Decoded string `json:"decoded,omitempty"` // with encoded-words decoded, where that is another text
	Unusual bool   `json:"unusual,omitempty"` // not one of the fields that every mail has
}

// Warning is something that must be told before a decision. The codes are a
// closed list.
type Warning struct {
	Code string `json:"code"`
	Part string `json:"part,omitempty"`
	Text string `json:"text"`
}

// Options are the delivery options of the whole mail; those of a recipient
// stand with it.
type Options struct {
	Body     string    `json:"body,omitempty"`  // 7BIT or 8BITMIME
	Ret      string    `json:"ret,omitempty"`   // what a notice returns: FULL or HDRS
	EnvID    string    `json:"envid,omitempty"` // the sender's id, in every notice
	SendAt   time.Time `json:"send_at,omitzero"`
	HoldFor  string    `json:"hold_for"` // how long it is held, such as 24h0m0s
	HoldEnds time.Time `json:"hold_ends,omitzero"`
}

// ReviewHead is what a recipient's program will show of the header.
type ReviewHead struct {
	From      []string `json:"from"`
	Sender    []string `json:"sender,omitempty"`
	To        []string `json:"to,omitempty"`
	Cc        []string `json:"cc,omitempty"`
	ReplyTo   []string `json:"reply_to,omitempty"`
	ReceiptTo []string `json:"receipt_to,omitempty"` // who asks to be told that it was read
}

// Part is one leaf of the MIME tree.
type Part struct {
	Path       string   `json:"path"`
	Name       string   `json:"name,omitempty"`
	AlsoNamed  []string `json:"also_named,omitempty"` // by other mail programs
	Type       string   `json:"type"`
	Size       int64    `json:"size"`
	SHA256     string   `json:"sha256"`
	Attachment bool     `json:"attachment"`
	Reviewable bool     `json:"reviewable"`    // Segments show it
	Why        string   `json:"why,omitempty"` // it is not
}

// Verdict is a decision to be made. An approval must quote the digest that was
// shown.
type Verdict struct {
	EmailID  string `json:"email_id"`
	Action   string `json:"action,omitempty"`   // "approve" or "reject"
	Decision string `json:"decision,omitempty"` // the same by its other name
	Digest   string `json:"digest,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Decided is a decision that was made.
type Decided struct {
	ID     string `json:"id"`
	Status string `json:"status"` // "approved" or "rejected"
	State  string `json:"state"`
}

// Pending lists held mail.
func (c *Client) Pending(ctx context.Context, limit int, cursor string) (PendingList, error) {
	v := query{}
	v.int("limit", limit)
	v.set("cursor", cursor)
	return call[PendingList](ctx, c, "GET", "/v1/oversight/pending"+v.String(), nil)
}

// Review shows one mail in full, whatever its state.
func (c *Client) Review(ctx context.Context, id string) (Review, error) {
	return call[Review](ctx, c, "GET", path("oversight", "pending", id), nil)
}

// Raw returns the bytes of a mail (message/rfc822).
func (c *Client) Raw(ctx context.Context, id string) ([]byte, error) {
	return c.bytes(ctx, path("oversight", "pending", id)+"?raw=1")
}

// Decide approves or rejects a held mail.
func (c *Client) Decide(ctx context.Context, v Verdict) (Decided, error) {
	return call[Decided](ctx, c, "POST", "/v1/oversight/decide", v)
}
