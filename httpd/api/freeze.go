package api

import "time"

// Freeze is a stop in force. A scope is "all", "agent:NAME", "mailbox:ADDRESS"
// or "domain:DOMAIN".
type Freeze struct {
	Scope  string    `json:"scope"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Freezes is a list of them.
type Freezes struct {
	Freezes []Freeze `json:"freezes"`
}

// ScopeRequest asks for a freeze of a scope, or for the end of one; then Reason is empty.
type ScopeRequest struct {
	Scope  string `json:"scope" doc:"all, agent:NAME, mailbox:ADDRESS or domain:DOMAIN"`
	Reason string `json:"reason,omitempty" doc:"why, for the audit log"`
}

// Stopped is what a freeze met on its way out: nothing of Stopped leaves, and
// Past had been allowed to leave before.
type Stopped struct {
	Stopped []string `json:"stopped"`
	Past    []string `json:"past"`
}
