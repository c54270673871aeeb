package api

import (
	"context"
	"io"
	"time"
)

// AuditEntry is one entry of the audit log. Its hash covers Leaf, to the octet;
// the other fields repeat what Leaf says.
type AuditEntry struct {
	ID      string            `json:"id"` // the sequence number in decimal
	Hash    string            `json:"hash"`
	Time    time.Time         `json:"time"`
	Kind    string            `json:"kind"` // "mail.approve", "freeze", …
	Mail    string            `json:"mail,omitempty"`
	Rev     int               `json:"rev,omitempty"`
	Digest  string            `json:"digest,omitempty"`
	Actor   Actor             `json:"actor"`
	Facts   map[string]string `json:"facts,omitempty"`
	Private map[string]string `json:"private,omitempty"` // personal data not erased yet
	Leaf    string            `json:"leaf"`
	Damaged bool              `json:"damaged,omitempty"` // it, or its private data, cannot be read
}

// Actor is who did it. ID is empty once a person's name was erased.
type Actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
}

// AuditLog is a page of entries, newest first.
type AuditLog struct {
	Entries []AuditEntry `json:"entries"`
	Cursor  string       `json:"cursor,omitempty"`
}

// AuditReport says that the log is whole. Error names what is wrong if it is not.
type AuditReport struct {
	OK     bool         `json:"ok"`
	Error  string       `json:"error,omitempty"`
	Chains []AuditChain `json:"chains"`

	Entries uint64    `json:"entries"`
	Mails   int       `json:"mails"` // whose decisions were replayed
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"` // times of the first and the last entry
}

// AuditChain is one chain of the log.
type AuditChain struct {
	Chain  string `json:"chain"`
	Size   uint64 `json:"size"`
	Head   string `json:"head"`   // hash of the newest entry
	Root   string `json:"root"`   // tree hash over all entries (RFC 6962)
	Erased int    `json:"erased"` // commitments whose opening is gone
}

// AuditLog lists the log.
func (c *Client) AuditLog(ctx context.Context, limit int, cursor string) (AuditLog, error) {
	v := query{}
	v.int("limit", limit)
	v.set("cursor", cursor)
	return call[AuditLog](ctx, c, "GET", "/v1/audit-log"+v.String(), nil)
}

// AuditExport streams the log as JSON lines in its own order, with the openings
// of what is personal if asked. The caller closes it.
func (c *Client) AuditExport(ctx context.Context, openings bool, since time.Time) (io.ReadCloser, error) {
	v := query{}
	if openings {
		v.set("openings", "1")
	}
	v.time("since", since)
	return c.stream(ctx, "GET", "/v1/audit-log/export"+v.String(), nil)
}

// AuditVerify has the server check its own log. Checking an export elsewhere
// proves more.
func (c *Client) AuditVerify(ctx context.Context) (AuditReport, error) {
	return call[AuditReport](ctx, c, "POST", "/v1/audit-log/verify", nil)
}
