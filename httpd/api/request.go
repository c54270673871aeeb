package api

import "time"

// None is a request that holds nothing.
type None struct{}

// Octets is an answer that is not JSON.
type Octets struct{}

// Done is an answer that has nothing to say but that it is so.
type Done struct {
	Status string `json:"status" doc:"what was done, such as removed, revoked, deleted or thawed"`
}

// MailboxRef names a mailbox.
type MailboxRef struct {
	Mailbox string `path:"id" json:"-" doc:"address of the mailbox" tool:"mailbox_id,optional"`
}

// EmailRef names one mail or notice of a mailbox.
type EmailRef struct {
	MailboxRef
	Email string `path:"email" json:"-" doc:"id of the mail" tool:"email_id"`
}

// MailRef names a mail.
type MailRef struct {
	ID string `path:"id" json:"-" doc:"id of the mail"`
}

// NameRef names an agent or a domain.
type NameRef struct {
	Name string `path:"name" json:"-" doc:"its name"`
}

// KeyRef names an API key.
type KeyRef struct {
	ID string `path:"id" json:"-" doc:"id of the key" tool:"key_id"`
}

// AllowRef names an entry of an allowlist.
type AllowRef struct {
	MailboxRef
	Entry string `path:"entry" json:"-" doc:"id of the entry" tool:"entry_id"`
}

// SendRequest is a draft for one mailbox.
type SendRequest struct {
	Mailbox string `path:"id" json:"-" doc:"address of the mailbox" tool:"mailbox_id,optional"`
	KeyHeader
	Draft
}

// EditRequest is an edit of a scheduled mail.
type EditRequest struct {
	EmailRef
	Edit
}

// ReplyRequest is an answer to a mail of a mailbox.
type ReplyRequest struct {
	EmailRef
	KeyHeader
	Answer
}

// SendAnyRequest is a draft that names its mailbox, or comes from a credential
// that has only one.
type SendAnyRequest struct {
	KeyHeader
	Draft
}

// KeyHeader is the idempotency key in the header that other APIs use for it.
type KeyHeader struct {
	Key string `header:"Idempotency-Key" json:"-" doc:"the same as idempotency_key"`
}

// EmailQuery chooses mails of a mailbox; zero values choose all. Parts of texts
// are compared without regard to case.
type EmailQuery struct {
	MailboxRef
	Status          string `query:"status" doc:"only this status" enum:"status"`
	Sender          string `query:"sender" doc:"part of the sender's address or name"`
	SubjectContains string `query:"subject_contains" doc:"part of the subject"`
	DateAfter       string `query:"date_after" doc:"received from this time on, ISO 8601"`
	DateBefore      string `query:"date_before" doc:"received before this time, ISO 8601"`
	Direction       string `query:"direction" doc:"inbound or outbound" enum:"inbound,outbound"`
	HasAttachments  bool   `query:"has_attachments" doc:"only mail with attachments"`
	Query           string `query:"query" doc:"words of subject, names, addresses or text; see docs/search.md"`
	SinceID         string `query:"since_id" doc:"only what the mailbox got after this mail"`
	Limit           int    `query:"limit" doc:"length of the page" min:"1" max:"100" default:"20"`
	Cursor          string `query:"cursor" doc:"of the page before"`
}

// EmailRequest names one mail or notice, and how long to wait for a change.
type EmailRequest struct {
	EmailRef
	WaitSeconds int `query:"wait_seconds" doc:"wait this long at most for a new status" min:"0" max:"45"`
}

// WaitQuery chooses what to wait for. Parts of texts are compared without
// regard to case.
type WaitQuery struct {
	MailboxRef
	TimeoutSeconds  int    `query:"timeout_seconds" doc:"at most" tool:",default=30" min:"5" max:"120" default:"30"`
	Sender          string `query:"sender" doc:"part of the sender" tool:"filter.sender"`
	SubjectContains string `query:"subject_contains" doc:"part of the subject" tool:"filter.subject_contains"`
	SinceID         string `query:"since_id" doc:"what the mailbox got after this mail; left out: what is unread" tool:"-"`
}

// UsageQuery chooses the span of time that is counted; zero times mean the last
// 30 days.
type UsageQuery struct {
	From time.Time `query:"from" doc:"begin of the span; left out: 30 days before its end" tool:"-"`
	To   time.Time `query:"to" doc:"end of the span; left out: now" tool:"-"`
	// Breakdown asks for the counts of each day too.
	Breakdown string `query:"breakdown" doc:"the counts of each day too" enum:"daily" tool:"-"`
	Period    string `tool:"period" doc:"one count, or the counts of each day too" enum:"summary,daily"`
}

// SpamQuery chooses a page of mail that is taken for unwanted.
type SpamQuery struct {
	Status string `query:"status" doc:"only this status" enum:"spam_flagged,spam_quarantined"`
	Limit  int    `query:"limit" doc:"length of the page" min:"1" max:"100" default:"20"`
	Cursor string `query:"cursor" doc:"of the page before"`
}

// SpamReport says that a received mail is unwanted. As a tool it takes the word back too,
// with the digest that an approver was shown.
type SpamReport struct {
	ID     string `path:"email" json:"-" doc:"id of the mail" tool:"email_id"`
	Action string `tool:"action,required" doc:"what to say of it" enum:"report,clear"`
	Digest string `tool:"digest" doc:"to clear: the digest that list_spam showed"`
	Code   string `tool:"approval_code" doc:"to clear, for an agent: the operator's code"`
}

// SpamRelease calls a mail clean, and lets it into its mailbox if it is in quarantine.
type SpamRelease struct {
	ID     string `path:"email" json:"-" doc:"id of the mail"`
	Digest string `json:"digest" doc:"what was shown of it"`
	Reason string `json:"reason,omitempty" doc:"goes to the audit log"`
	Approval
}

// PendingQuery chooses a page of held mail.
type PendingQuery struct {
	Spam   bool   `query:"spam" doc:"quarantined mail instead of held mail"`
	Limit  int    `query:"limit" doc:"length of the page" tool:",max=20,default=20" min:"1" max:"100" default:"20"`
	Cursor string `query:"cursor" doc:"of the page before"`
}

// MailQuery chooses mails; zero values choose all.
type MailQuery struct {
	State   string `query:"state" doc:"only this state" enum:"state"`
	Mailbox string `query:"mailbox" doc:"only mail of this mailbox"`
	Limit   int    `query:"limit" doc:"length of the page" min:"1" max:"100" default:"20"`
	Cursor  string `query:"cursor" doc:"of the page before"`
}

// AuditQuery chooses a page of the audit log.
type AuditQuery struct {
	Limit  int    `query:"limit" doc:"length of the page" min:"1" max:"100" default:"50"`
	Cursor string `query:"cursor" doc:"of the page before"`
}

// ExportQuery says what an export of the audit log holds.
type ExportQuery struct {
	Openings bool      `query:"openings" doc:"with what is personal"`
	Since    time.Time `query:"since" doc:"only entries from this time on"`
}

// NewAllowRequest asks for an entry of an allowlist.
type NewAllowRequest struct {
	MailboxRef
	NewAllowEntry
	Approval
}

// MailboxRequest changes a mailbox.
type MailboxRequest struct {
	MailboxRef
	MailboxPatch
	Approval
}

// SetupRequest goes through the settings of a mailbox.
type SetupRequest struct {
	MailboxRef
	MailboxSetup
	Approval
}

// MailboxName names a mailbox that nobody may take for another.
type MailboxName struct {
	Mailbox string `path:"id" json:"-" doc:"address of the mailbox" tool:"mailbox_id,required"`
}
