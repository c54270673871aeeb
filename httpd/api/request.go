package api

import "time"

// None is a request that holds nothing.
type None struct{}

// Octets is an answer that is not JSON.
type Octets struct{}

// Done is an answer that has nothing to say but that it is so.
type Done struct {
	Status string `json:"status" doc:"what was done: removed, revoked or thawed"`
}

// MailboxRef names a mailbox.
type MailboxRef struct {
	Mailbox string `path:"id" json:"-" doc:"address of the mailbox" tool:"mailbox_id,optional" tooldoc:"not needed when there is only one"`
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
	ID string `path:"id" json:"-" doc:"id of the key"`
}

// AllowRef names an entry of an allowlist.
type AllowRef struct {
	MailboxRef
	Entry string `path:"entry" json:"-" doc:"id of the entry"`
}

// SendRequest is a draft for one mailbox.
type SendRequest struct {
	Mailbox string `path:"id" json:"-" doc:"address of the mailbox" tool:"mailbox_id,optional" tooldoc:"mailbox to send from; not needed when there is only one"`
	KeyHeader
	Draft
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

// EmailQuery chooses mails of a mailbox; zero values choose all.
type EmailQuery struct {
	MailboxRef
	Status    string `query:"status" json:"-" doc:"only this status" tooldoc:"only this status: unread, read, pending_send_approval, scheduled, queued, sent, send_failed, rejected, cancelled or expired" enum:"pending_send_approval,scheduled,queued,sent,send_failed,rejected,cancelled,expired,unread,read"`
	Direction string `query:"direction" json:"-" doc:"inbound or outbound" enum:"inbound,outbound"`
	SinceID   string `query:"since_id" json:"-" doc:"only what is newer than this id"`
	Limit     int    `query:"limit" json:"-" doc:"length of the page" tooldoc:"1 to 100, 20 if left out" min:"1" max:"100" default:"20"`
	Cursor    string `query:"cursor" json:"-" doc:"of the page before"`
}

// EmailRequest names one mail or notice, and how long to wait for a change.
type EmailRequest struct {
	EmailRef
	WaitSeconds int `query:"wait_seconds" json:"-" doc:"answer when the status has changed, or after this time" tooldoc:"for your own mail: wait up to this long, at most 45, for a decision or an outcome" min:"0" max:"45"`
}

// WaitQuery chooses what to wait for. Parts of texts are compared without
// regard to case.
type WaitQuery struct {
	MailboxRef
	TimeoutSeconds  int    `query:"timeout_seconds" json:"-" doc:"how long to wait" tool:",default=30" tooldoc:"5 to 120, 30 if left out" min:"5" max:"120" default:"30"`
	Sender          string `query:"sender" json:"-" doc:"part of the sender" tool:"filter.sender"`
	SubjectContains string `query:"subject_contains" json:"-" doc:"part of the subject" tool:"filter.subject_contains"`
	SinceID         string `query:"since_id" json:"-" doc:"what is newer than this id; left out: what is unread" tool:"-"`
}

// UsageQuery chooses the span of time that is counted; zero times mean the last
// 30 days.
type UsageQuery struct {
	From   time.Time `query:"from" json:"-" doc:"begin of the span; left out: 30 days before its end" tool:"-"`
	To     time.Time `query:"to" json:"-" doc:"end of the span; left out: now" tool:"-"`
	Period string    `json:"-" tool:"period" tooldoc:"summary" enum:"summary"`
}

// PendingQuery chooses a page of held mail.
type PendingQuery struct {
	Limit  int    `query:"limit" json:"-" doc:"length of the page" tool:",max=20,default=20" tooldoc:"1 to 20, 20 if left out" min:"1" max:"100" default:"20"`
	Cursor string `query:"cursor" json:"-" doc:"of the page before"`
}

// MailQuery chooses mails; zero values choose all.
type MailQuery struct {
	State   string `query:"state" json:"-" doc:"only this state" enum:"held,ready,sending,sent,failed,rejected,cancelled,expired"`
	Mailbox string `query:"mailbox" json:"-" doc:"only mail of this mailbox"`
	Limit   int    `query:"limit" json:"-" doc:"length of the page" min:"1" max:"100" default:"20"`
	Cursor  string `query:"cursor" json:"-" doc:"of the page before"`
}

// AuditQuery chooses a page of the audit log.
type AuditQuery struct {
	Limit  int    `query:"limit" json:"-" doc:"length of the page" tooldoc:"1 to 100, 50 if left out" min:"1" max:"100" default:"50"`
	Cursor string `query:"cursor" json:"-" doc:"of the page before"`
}

// ExportQuery says what an export of the audit log holds.
type ExportQuery struct {
	Openings bool      `query:"openings" json:"-" doc:"with what is personal"`
	Since    time.Time `query:"since" json:"-" doc:"only entries from this time on"`
}

// NewAllowRequest asks for an entry of an allowlist.
type NewAllowRequest struct {
	MailboxRef
	NewAllowEntry
}

// MailboxRequest changes a mailbox.
type MailboxRequest struct {
	MailboxRef
	MailboxPatch
}
