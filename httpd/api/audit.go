package api

import "time"

// AuditEntry is one entry of the audit log. Its hash covers Leaf, to the octet;
// the other fields repeat what Leaf says, some under two names: Action is Kind, CreatedAt is Time.
type AuditEntry struct {
	ID      string            `json:"id" doc:"the sequence number in decimal"`
	Hash    string            `json:"hash"`
	Time    time.Time         `json:"time"`
	Kind    string            `json:"kind" doc:"'mail.approve', 'freeze', …"`
	Mail    string            `json:"mail,omitempty"`
	Rev     int               `json:"rev,omitempty"`
	Digest  string            `json:"digest,omitempty"`
	Actor   Actor             `json:"actor"`
	Facts   map[string]string `json:"facts,omitempty"`
	Private map[string]string `json:"private,omitempty" doc:"personal data not erased yet" untrusted:"1"`
	Leaf    string            `json:"leaf"`

	Action       string    `json:"action" doc:"the same as kind"`
	CreatedAt    time.Time `json:"created_at" doc:"the same as time"`
	ResourceType string    `json:"resource_type,omitempty" doc:"'email', of an entry about a mail"`
	ResourceID   string    `json:"resource_id,omitempty" doc:"the same as mail"`
	ActorKeyID   string    `json:"actor_key_id,omitempty" doc:"the credential that was used; gone once it is erased"`

	Damaged bool `json:"damaged,omitempty" doc:"it, or its private data, cannot be read"`
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

	Entries  uint64    `json:"entries"`
	Mails    int       `json:"mails" doc:"whose decisions were replayed"`
	Settings int       `json:"settings,omitempty" doc:"that were compared with the log"`
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero" doc:"times of the first and the last entry"`
}

// AuditChain is one chain of the log.
type AuditChain struct {
	Chain  string `json:"chain"`
	Size   uint64 `json:"size"`
	Head   string `json:"head" doc:"hash of the newest entry"`
	Root   string `json:"root" doc:"tree hash over all entries (RFC 6962)"`
	Erased int    `json:"erased" doc:"commitments whose opening is gone"`
}
