package api

import "time"

// SuppressionQuery asks for a page of the suppression list.
type SuppressionQuery struct {
	Limit  int    `query:"limit" doc:"length of the page" min:"1" max:"100" default:"20"`
	Cursor string `query:"cursor" doc:"of the page before"`
}

// Suppressions is a page of it, by address. A page may be short and yet have a cursor.
type Suppressions struct {
	Suppressions []Suppression `json:"suppressions"`
	Cursor       string        `json:"cursor,omitempty" doc:"empty: the end"`
}

// Suppression is an address that a mailbox may not send to.
type Suppression struct {
	ID           string    `json:"id"`
	EmailAddress string    `json:"email_address"`
	Reason       string    `json:"reason" doc:"hard_bounce: it cannot be delivered to; complaint: its reader complained"`
	MailboxID    string    `json:"mailbox_id" doc:"the mailbox that may not send to it"`
	CreatedAt    time.Time `json:"created_at"`
	About        string    `json:"about,omitempty" doc:"id of the mail that brought it here"`
	Code         string    `json:"code,omitempty" doc:"of a hard bounce (RFC 3463)"`
}

// SuppressionRef names an address on the list.
type SuppressionRef struct {
	Address string `path:"address" json:"-" doc:"the address" tool:"email_address"`
	ApprovalHeader
}
