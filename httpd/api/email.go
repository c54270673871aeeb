package api

import "time"

// Draft is a mail to send. Everybody in Bcc gets it and stands in no header.
type Draft struct {
	MailboxID      string       `json:"mailbox_id,omitempty" doc:"for /v1/send: which mailbox" tool:"-"`
	From           string       `json:"from,omitempty" doc:"the same as mailbox_id" tool:"-"`
	To             []string     `json:"to" doc:"recipients, one address each"`
	Cc             []string     `json:"cc,omitempty" doc:"further recipients, shown to all"`
	Bcc            []string     `json:"bcc,omitempty" doc:"further recipients, shown to nobody but the approver"`
	Subject        string       `json:"subject" doc:"one line"`
	Markdown       string       `json:"markdown" doc:"body in Markdown"`
	Attachments    []Attachment `json:"attachments,omitempty" doc:"files"`
	InReplyTo      string       `json:"in_reply_to,omitempty" doc:"Message-ID of the mail this one answers"`
	References     []string     `json:"references,omitempty" doc:"Message-IDs of the thread, oldest first"`
	IdempotencyKey string       `json:"idempotency_key,omitempty" doc:"joins repetitions for 24 hours; also a header"`
	SendAt         string       `json:"send_at,omitempty" doc:"not before this time, ISO 8601 in UTC ending in Z"`
	GateTiming     string       `json:"gate_timing,omitempty" doc:"when an approver is asked" enum:"timing"`
}

// Answer is an answer to send. To whom, its subject and its thread follow from the mail
// that it answers.
type Answer struct {
	Markdown       string       `json:"markdown" doc:"body in Markdown"`
	Cc             []string     `json:"cc,omitempty" doc:"further recipients, shown to all; nobody is copied unasked"`
	Bcc            []string     `json:"bcc,omitempty" doc:"further recipients, shown to nobody but the approver"`
	Attachments    []Attachment `json:"attachments,omitempty" doc:"files"`
	Quote          bool         `json:"quote,omitempty" doc:"append the answered mail, each line behind '> '"`
	IdempotencyKey string       `json:"idempotency_key,omitempty" doc:"joins repetitions for 24 hours; also a header"`
}

// Attachment is a file of a draft.
type Attachment struct {
	Name          string `json:"name" doc:"file name"`
	ContentBase64 string `json:"content_base64" doc:"the file in base64"`
	ContentType   string `json:"content_type" doc:"media type, such as application/pdf"`
}

// Receipt is what became of a draft.
type Receipt struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	ThreadID   string `json:"thread_id"`
	Message    string `json:"message,omitempty" doc:"what that means, for a model to read"`
	Digest     string `json:"digest,omitempty"`
	Idempotent bool   `json:"idempotent,omitempty" doc:"an earlier request with this key made it"`
	// Warnings hold addresses that strangers chose.
	Warnings []string `json:"warnings,omitempty" doc:"what to consider first" untrusted:"1"`
}

// Edit is what becomes of a scheduled mail; nil leaves a value as it is.
type Edit struct {
	SendAt   *string  `json:"send_at,omitempty" doc:"not before this time, ISO 8601 in UTC ending in Z"`
	To       []string `json:"to,omitzero" doc:"addresses in To"`
	Cc       []string `json:"cc,omitzero" doc:"addresses in Cc; []: nobody"`
	Bcc      []string `json:"bcc,omitzero" doc:"further recipients, shown to nobody but the approver; []: nobody"`
	Subject  *string  `json:"subject,omitempty" doc:"another subject"`
	Markdown *string  `json:"markdown,omitempty" doc:"the text; attachments stay"`
}

// Edited is the mail that stands in the place of an edited one.
type Edited struct {
	Receipt
	Replaces string `json:"replaces" doc:"id of the mail that it replaces, which is cancelled"`
}

// Summary is a mail of a mailbox in a list: one it sends, or one that it has received,
// from the world or as a notice about its own mail.
type Summary struct {
	ID             string    `json:"id"`
	MailboxID      string    `json:"mailbox_id"`
	ThreadID       string    `json:"thread_id"`
	Direction      string    `json:"direction" doc:"'outbound' or 'inbound'"`
	From           string    `json:"from"`
	FromName       string    `json:"from_name,omitempty" doc:"what the sender calls itself" untrusted:"1"`
	To             []string  `json:"to"`
	Subject        string    `json:"subject" untrusted:"1"`
	Status         string    `json:"status"`
	ReceivedAt     time.Time `json:"received_at" doc:"when this server took it"`
	HasAttachments bool      `json:"has_attachments"`
	DeliveredAt    time.Time `json:"delivered_at,omitzero"`
	BouncedAt      time.Time `json:"bounced_at,omitzero" doc:"when a recipient last came to count as bounced"`
	BounceType     string    `json:"bounce_type,omitempty" doc:"hard: an address is not there; soft: another reason"`
	About          string    `json:"about,omitempty" doc:"a notice: the mail it is about"`
	SpamScore      float64   `json:"spam_score,omitempty" doc:"of the filter: the higher, the less wanted"`
	SpamVerdict    string    `json:"spam_verdict,omitempty" doc:"clean, flagged or quarantined"`
	Damaged        bool      `json:"damaged,omitempty" doc:"its record cannot be read; nothing else is known"`
	Action         string    `json:"action,omitempty" doc:"a notice: failed, rejected, expired, delayed, delivered"`

	JoinedBy        string   `json:"joined_by,omitempty" doc:"new, references, in_reply_to, subject or notice"`
	NewParticipant  bool     `json:"new_participant,omitempty" doc:"it names somebody whom its thread did not have before"`
	NewParticipants []string `json:"new_participants,omitempty" doc:"who that is"`
}

// Emails is a page of summaries, newest first.
type Emails struct {
	Emails []Summary `json:"emails"`
	Cursor string    `json:"cursor,omitempty" doc:"empty: the end"`
	// SinceID stands on a first page: what the mailbox gets later has it as since_id.
	SinceID string `json:"since_id,omitempty" doc:"without a cursor: ask with this later for what came since"`
}

// Email is one mail of a mailbox. Subject, Text, the names of attachments and
// the texts of other servers come from unknown peers: they are data.
type Email struct {
	Summary
	Cc            []string          `json:"cc,omitempty"`
	Bcc           []string          `json:"bcc,omitempty"`
	ReplyTo       []string          `json:"reply_to,omitempty" doc:"where answers go instead of to the sender"`
	Elsewhere     bool              `json:"reply_to_elsewhere,omitempty" doc:"another organisation than the sender's"`
	OtherReply    bool              `json:"reply_to_other,omitempty" doc:"neither the sender nor written to in the thread"`
	MessageID     string            `json:"message_id,omitempty" untrusted:"1"`
	InReplyTo     string            `json:"in_reply_to,omitempty" doc:"Message-ID of what it answers" untrusted:"1"`
	Text          string            `json:"text" untrusted:"1"`
	TextCut       bool              `json:"text_cut,omitempty" doc:"there is more text"`
	Attachments   []File            `json:"attachments,omitempty"`
	Digest        string            `json:"digest,omitempty"`
	Rev           int               `json:"rev,omitempty" doc:"grows with every change of the status"`
	Size          int64             `json:"size"`
	Recipients    []Recipient       `json:"recipients,omitempty"`
	Decision      *Decision         `json:"decision,omitempty"`
	SendAt        time.Time         `json:"send_at,omitzero"`
	Replaces      string            `json:"replaces,omitempty" doc:"the scheduled mail that it is an edit of"`
	ReplacedBy    string            `json:"replaced_by,omitempty" doc:"the mail that is an edit of this one"`
	ApprovedAt    time.Time         `json:"approved_at,omitzero"`
	Tags          map[string]string `json:"tags,omitempty" untrusted:"1"`
	ApprovedBy    string            `json:"approved_by,omitempty" doc:"'human' or 'reviewer'; agents do not learn who"`
	ExpiresAt     time.Time         `json:"expires_at,omitzero" doc:"of the hold"`
	NextAttemptAt time.Time         `json:"next_attempt_at,omitzero"`
	Attempts      int               `json:"attempts,omitempty"`
	FinishedAt    time.Time         `json:"finished_at,omitzero"`

	// What follows is known of mail from the world.
	Authentication *Authentication `json:"authentication,omitempty" doc:"what the checks of its sender found"`
	SpamReasons    []string        `json:"spam_reasons,omitempty" untrusted:"1"`

	// Of received mail: see docs/reading.md.
	HiddenText bool `json:"hidden_text,omitempty" doc:"text that nobody sees was left out, or the page may cover some"`

	TrackingPixels int      `json:"tracking_pixels,omitempty" doc:"remote images that nobody sees"`
	RemoteContent  int      `json:"remote_content,omitempty" doc:"what a mail program would have fetched; nothing was"`
	Charset        string   `json:"charset,omitempty" doc:"that the text was read in" untrusted:"1"`
	Warnings       []string `json:"warnings,omitempty" doc:"what could not be read as it stands" untrusted:"1"`
}

// Authentication is what the checks of a sender found, each in one word: pass, fail,
// softfail, neutral, none, policy, temperror or permerror; none too where it was not
// checked. Only what passes says who sent a mail.
type Authentication struct {
	SPF      string `json:"spf" doc:"whether the client may send for the envelope sender's domain"`
	DKIM     string `json:"dkim" doc:"pass if one of the signatures is good"`
	DMARC    string `json:"dmarc" doc:"pass: the domain in From is who sent it"`
	ARC      string `json:"arc"`
	Identity string `json:"identity" doc:"the identity header of another installation"`
}

// SpamMail is a mail that a filter or a reader takes for unwanted.
type SpamMail struct {
	Summary
	Digest  string   `json:"digest" doc:"what releasing it names"`
	Reasons []string `json:"spam_reasons,omitempty" untrusted:"1"`
	Label   string   `json:"user_label,omitempty" doc:"a reader's word: spam or not_spam"`
}

// SpamMails is a page of them, newest first.
type SpamMails struct {
	Emails []SpamMail `json:"emails"`
	Cursor string     `json:"cursor,omitempty" doc:"empty: the end"`
}

// SpamStatus is what a mail counts as from now on.
type SpamStatus struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	UserLabel string `json:"user_label" doc:"spam or not_spam"`
}

// SpamOutcome is the data of the tool: a SpamStatus, or that a code is needed.
type SpamOutcome struct {
	ID        string    `json:"id,omitempty"`
	Status    string    `json:"status"`
	UserLabel string    `json:"user_label,omitempty" doc:"spam or not_spam"`
	Message   string    `json:"message,omitempty" doc:"what to do next"`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"until then the code is good"`
}

// File is an attachment as a list names it.
type File struct {
	Name        string `json:"name" untrusted:"1"`
	ContentType string `json:"content_type" untrusted:"1"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256,omitempty" doc:"of a received one, decoded; hex"`
	Inline      bool   `json:"inline,omitempty" doc:"an image in the text"`
}

// Recipient is how far one recipient has got.
type Recipient struct {
	Address  string    `json:"address"`
	Hidden   bool      `json:"hidden,omitempty" doc:"no header shows it"`
	Copy     bool      `json:"copy,omitempty" doc:"the oversight address"`
	Auto     bool      `json:"operator_copy,omitempty" doc:"a copy that the operator has the mailbox add"`
	Notify   []string  `json:"notify,omitempty" doc:"NEVER, or any of SUCCESS, FAILURE, DELAY"`
	ORcpt    string    `json:"orcpt,omitempty" doc:"the original recipient that notices name" untrusted:"1"`
	Status   string    `json:"status" doc:"pending, delivered, bounced"`
	Code     int       `json:"code,omitempty" doc:"the last reply of its server"`
	Enhanced string    `json:"enhanced,omitempty"`
	Message  string    `json:"message,omitempty" doc:"what it said; an agent has our words for its codes" untrusted:"1"`
	Remote   string    `json:"remote,omitempty" doc:"not shown to agents"`
	At       time.Time `json:"at,omitzero"`
}

// Decision is an approver's word over a mail.
type Decision struct {
	Verdict string    `json:"verdict" doc:"'approved' or 'rejected'"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty" doc:"not shown to agents"`
	Kind    string    `json:"kind,omitempty" doc:"'reviewer' or 'human'"`
	Digest  string    `json:"digest,omitempty" doc:"what was decided over"`
}

// Waited is what Wait found.
type Waited struct {
	Found         bool      `json:"found"`
	Emails        []Summary `json:"emails"`
	Timeout       bool      `json:"timeout,omitempty"`
	WaitedSeconds int       `json:"waited_seconds"`
	// SinceID is where a wait that was given one stopped looking.
	SinceID string `json:"since_id,omitempty" doc:"with since_id: wait on with this for what comes later"`
}

// HTTPStatus implements Outcome: 200 repeats an earlier answer.
func (r Receipt) HTTPStatus() int {
	if r.Idempotent {
		return 200
	}
	return 0
}

// EmailFacts is a mail without its text, which a tool frames apart.
type EmailFacts struct {
	Email
	Text string `json:"text,omitempty" doc:"-"` // hides the other, and is always empty
}
