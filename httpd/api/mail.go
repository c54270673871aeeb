package api

import "time"

// Mail is one mail as its operator sees it: its standing, not its words.
type Mail struct {
	ID            string      `json:"id"`
	Rev           int         `json:"rev"`
	Digest        string      `json:"digest"`
	State         string      `json:"state" doc:"held, ready, sending, sent, failed, rejected, cancelled, expired"`
	Status        string      `json:"status" doc:"the same in the words of agents"`
	Mailbox       string      `json:"mailbox"`
	Agent         string      `json:"agent"`
	AgentRef      string      `json:"agent_ref,omitempty"`
	Identity      *Identified `json:"identity,omitempty"`
	Author        string      `json:"author"`
	Door          string      `json:"door"`
	From          string      `json:"from"`
	Subject       string      `json:"subject"`
	MessageID     string      `json:"message_id"`
	Size          int64       `json:"size"`
	WaitsFor      string      `json:"waits_for,omitempty" doc:"why it does not leave, whoever approves it"`
	Basis         string      `json:"basis" doc:"none, open, allowlist, approved"`
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
	Damaged       bool        `json:"damaged,omitempty" doc:"its record cannot be read; nothing else but ID is known"`
}

// Release is why and under whose name a mail left.
type Release struct {
	Mode     string    `json:"mode"`
	Basis    string    `json:"basis"`
	By       string    `json:"by" doc:"human, reviewer, allowlist, none"`
	At       time.Time `json:"at"`
	Ref      string    `json:"ref"`
	Operator string    `json:"operator"`
}

// Mails is a page of them, newest first.
type Mails struct {
	Mails  []Mail `json:"mails"`
	Cursor string `json:"cursor,omitempty"`
}
