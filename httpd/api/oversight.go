package api

import "time"

// Pending is a mail that waits for a decision, as a list shows it. To and Cc
// are what the header shows; Bcc are the recipients that it does not show.
type Pending struct {
	ID        string `json:"id"`
	Rev       int    `json:"rev"`
	Digest    string `json:"digest" doc:"what an approval names"`
	Subject   string `json:"subject" untrusted:"1"`
	Mailbox   string `json:"mailbox"`
	MailboxID string `json:"mailbox_id"`
	Direction string `json:"direction"`
	Agent     string `json:"agent"`
	AgentRef  string `json:"agent_ref"`
	// Identity is what the agent's token said, where it used one.
	Identity *Identified `json:"identity,omitempty"`
	Door     string      `json:"door" doc:"smtp, http or mcp; incoming: smtp-in or lmtp"`
	Mode     string      `json:"mode" doc:"of the mailbox, now"`
	From     string      `json:"from"`
	WaitsFor string      `json:"waits_for,omitempty" doc:"why it would not leave, if it were approved now"`
	To       []string    `json:"to"`
	Cc       []string    `json:"cc"`
	Bcc      []string    `json:"bcc"`
	More     int         `json:"more_named,omitempty" doc:"further addresses of To and Cc; the review has them"`

	// Recipients are those of the envelope: who gets it. A list of mails has the
	// first of them, those that the header hides before the others.
	Recipients     []Recipient `json:"recipients"`
	RecipientCount int         `json:"recipient_count"`

	Arrived *Arrived `json:"arrived,omitempty" doc:"incoming: who sent it, and what proves it"`
	Spam    *Judged  `json:"spam,omitempty"`

	Size        int64     `json:"size"`
	Attachments int       `json:"attachments"`
	SubmittedAt time.Time `json:"submitted_at"`
	ReceivedAt  time.Time `json:"received_at" doc:"the same as submitted_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	SendAt      time.Time `json:"send_at,omitzero"`
	Replaces    string    `json:"replaces,omitempty" doc:"the scheduled mail that it is an edit of"`
	Status      string    `json:"status"`
	Damaged     bool      `json:"damaged,omitempty" doc:"its record cannot be read; nothing else but ID is known"`
}

// Identified is how the issuer of its token names an agent, and the person that it
// acted for.
type Identified struct {
	Issuer    string `json:"issuer" doc:"as the configuration names it"`
	Tenant    string `json:"tenant,omitempty"`
	Agent     string `json:"agent" doc:"object id"`
	Client    string `json:"client,omitempty"`
	Blueprint string `json:"blueprint,omitempty" doc:"what the agent was made from"`
	Shape     string `json:"shape" doc:"autonomous, on_behalf_of or agent_account"`
	Person    string `json:"person,omitempty" doc:"object id of whom it acted for, who can never decide"`
}

// Arrived is what is known of who sent a mail from the world.
type Arrived struct {
	Sender         string          `json:"sender" doc:"of the envelope; empty: the null sender"`
	FromName       string          `json:"from_name,omitempty" doc:"what the sender calls itself" untrusted:"1"`
	Client         string          `json:"client,omitempty" doc:"IP address of the client"`
	Helo           string          `json:"helo,omitempty" doc:"what the client called itself" untrusted:"1"`
	Hop            string          `json:"hop,omitempty" doc:"the trusted hop that it came through"`
	Authentication *Authentication `json:"authentication"`
}

// Judged is what a filter makes of a mail.
type Judged struct {
	Verdict string   `json:"verdict" doc:"clean, flagged or quarantined"`
	Score   float64  `json:"score"`
	Reasons []string `json:"reasons,omitempty" untrusted:"1"`
	Filter  string   `json:"filter,omitempty" doc:"empty: the signs built in"`
	Label   string   `json:"user_label,omitempty" doc:"a reader's word: spam or not_spam"`
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
	Segments  []Segment  `json:"segments" doc:"what the mail says, in its order"`
	Differ    bool       `json:"differ" doc:"the HTML may show something else than the text"`
	Links     []Link     `json:"links"`
	Parts     []Part     `json:"parts"`
	Fields    []Field    `json:"fields" doc:"every header field"`
	Warnings  []Warning  `json:"warnings" doc:"what must be known before a decision"`
	Options   Options    `json:"options"`
	Decisions []Decision `json:"decisions,omitempty"`
	Thread    []Earlier  `json:"thread,omitempty" doc:"what of its thread stands before it, oldest first"`
}

// Earlier is a mail of a thread, before the one that is decided over.
type Earlier struct {
	ID         string    `json:"id"`
	Direction  string    `json:"direction"`
	From       string    `json:"from"`
	FromName   string    `json:"from_name,omitempty" untrusted:"1"`
	To         []string  `json:"to"`
	Cc         []string  `json:"cc,omitempty"`
	Bcc        []string  `json:"bcc,omitempty" doc:"of the mailbox's own mail: who got it and To and Cc do not name"`
	Subject    string    `json:"subject" untrusted:"1"`
	Status     string    `json:"status"`
	ReceivedAt time.Time `json:"received_at"`
	// Authentication is known of mail from the world.
	Authentication *Authentication `json:"authentication,omitempty" doc:"what the checks of its sender found"`
	Text           string          `json:"text,omitempty" doc:"its first words" untrusted:"1"`
	TextCut        bool            `json:"text_cut,omitempty" doc:"there is more"`
}

// Segment is a stretch of what a mail says. What it is stands in Kind and Note,
// never in Text, so that no text of a mail can pass for another kind.
type Segment struct {
	Kind  string `json:"kind" doc:"text, html, hidden, attached, outside, source or reading"`
	Part  string `json:"part,omitempty" doc:"path of the MIME part"`
	Depth int    `json:"depth" doc:"attached messages around it, 0 in the mail itself"`
	Note  string `json:"note,omitempty" doc:"more about the kind, such as what hides it"`
	Text  string `json:"text" untrusted:"1"`
}

// Link is something that a program may turn into a link, or may fetch.
type Link struct {
	Target string `json:"target" untrusted:"1"`
	Text   string `json:"text,omitempty" doc:"what stands for it on the screen, if not the target" untrusted:"1"`
	Why    string `json:"why,omitempty" doc:"it may lead elsewhere than it seems to"`
}

// Field is a header field of the mail or of one of its parts.
type Field struct {
	Part    string `json:"part,omitempty" doc:"path of the MIME part; none: of the mail"`
	Name    string `json:"name" untrusted:"1"`
	Value   string `json:"value" untrusted:"1"`
	Decoded string `json:"decoded,omitempty" doc:"with encoded-words decoded, if that differs" untrusted:"1"`
	Unusual bool   `json:"unusual,omitempty" doc:"not one of the fields that every mail has"`
}

// Warning is something that must be known before a decision. The codes are a
// closed list.
type Warning struct {
	Code string `json:"code"`
	Part string `json:"part,omitempty"`
	Text string `json:"text" doc:"it may quote the mail" untrusted:"1"`
}

// Options are the delivery options of the whole mail; those of a recipient
// stand with it.
type Options struct {
	Body     string    `json:"body,omitempty" doc:"7BIT or 8BITMIME"`
	Ret      string    `json:"ret,omitempty" doc:"what a notice returns: FULL or HDRS"`
	EnvID    string    `json:"envid,omitempty" doc:"the sender's id, in every notice" untrusted:"1"`
	SendAt   time.Time `json:"send_at,omitzero"`
	HoldFor  string    `json:"hold_for" doc:"how long it is held, such as 24h0m0s"`
	HoldEnds time.Time `json:"hold_ends,omitzero"`
}

// ReviewHead is what a recipient's program will show of the header.
type ReviewHead struct {
	From      []string `json:"from" untrusted:"1"`
	Sender    []string `json:"sender,omitempty" untrusted:"1"`
	To        []string `json:"to,omitempty" untrusted:"1"`
	Cc        []string `json:"cc,omitempty" untrusted:"1"`
	ReplyTo   []string `json:"reply_to,omitempty" untrusted:"1"`
	ReceiptTo []string `json:"receipt_to,omitempty" doc:"who asks for a receipt when it was read" untrusted:"1"`
}

// Part is one leaf of the MIME tree.
type Part struct {
	Path       string   `json:"path"`
	Name       string   `json:"name,omitempty" untrusted:"1"`
	AlsoNamed  []string `json:"also_named,omitempty" doc:"by other mail programs" untrusted:"1"`
	Type       string   `json:"type" untrusted:"1"`
	Size       int64    `json:"size"`
	SHA256     string   `json:"sha256"`
	Attachment bool     `json:"attachment"`
	Reviewable bool     `json:"reviewable" doc:"Segments show it"`
	Why        string   `json:"why,omitempty" doc:"it is not"`
}

// DecideRequest is a decision to be made. An approval must quote the digest that was
// shown.
type DecideRequest struct {
	EmailID  string `json:"email_id" doc:"id of the mail"`
	Action   string `json:"action,omitempty" doc:"approve or reject" tool:",required"`
	Decision string `json:"decision,omitempty" doc:"the same as action" tool:"-"`
	Digest   string `json:"digest,omitempty" doc:"the digest that was shown; required to approve"`
	Reason   string `json:"reason,omitempty" doc:"goes to the audit log, and to the agent when it is rejected"`
}

// Decided is a decision that was made.
type Decided struct {
	ID     string `json:"id"`
	Status string `json:"status" doc:"'approved' or 'rejected'"`
	State  string `json:"state"`
}

// PendingFacts is what a tool shows of held mail.
type PendingFacts struct {
	Emails []ReviewFacts `json:"emails"`
	Cursor string        `json:"cursor,omitempty"`
}

// ReviewFacts is a review without the words of the mail, which a tool frames
// apart.
type ReviewFacts struct {
	Review
	Segments []Segment `json:"segments,omitempty" doc:"-"` // hides the others, and is always empty
}
