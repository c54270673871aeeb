package api

import "time"

// Agent is a principal that sends mail.
type Agent struct {
	Name      string    `json:"name"`
	AgentRef  string    `json:"agent_ref,omitempty" doc:"its name at its identity provider"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
	Bindings  []Binding `json:"bindings,omitempty" doc:"its identities at issuers of tokens; in lists only"`
}

// Agents is a list of them.
type Agents struct {
	Agents []Agent `json:"agents"`
}

// NewAgent asks for an agent.
type NewAgent struct {
	Name     string `json:"name" doc:"of the agent"`
	AgentRef string `json:"agent_ref,omitempty" doc:"its name at its identity provider"`
}

// AgentPassword is an agent with its new SMTP password, shown this once.
type AgentPassword struct {
	Agent
	Password string `json:"password"`
}

// Key is an API key without its secret.
type Key struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind" doc:"agent, approver, admin"`
	Owner     string    `json:"owner"`
	Scopes    []string  `json:"scopes"`
	Mailboxes []string  `json:"mailboxes,omitempty" doc:"the only ones; empty: all of the owner's"`
	Prefix    string    `json:"prefix"`
	IsActive  bool      `json:"is_active"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// Sessions of MCP that clients have open with it here; those without sessions count for nothing.
	Sessions      int       `json:"sessions,omitempty" doc:"of MCP, that are open"`
	SessionsSince time.Time `json:"sessions_since,omitzero" doc:"when the oldest of them began"`
	SessionsUsed  time.Time `json:"sessions_used_at,omitzero" doc:"when one of them was last used"`
}

// Keys is a list of them.
type Keys struct {
	Keys []Key `json:"api_keys"`
}

// NewKey asks for a key.
type NewKey struct {
	Name      string   `json:"name,omitempty" doc:"a label" tool:"name,required"`
	Kind      string   `json:"kind,omitempty" doc:"agent, approver or admin; left out: agent"`
	Owner     string   `json:"owner,omitempty" doc:"whom it speaks for; left out: the agent that asks"`
	Scopes    []string `json:"scopes,omitempty" doc:"of its kind; left out: read, for an agent" tool:"scopes,required"`
	Mailboxes []string `json:"mailboxes,omitempty" doc:"the only ones; left out: all of the owner"`
	Approval
}

// KeyPatch names what shall change of a key; what is left out stays.
type KeyPatch struct {
	KeyRef
	Name   *string  `json:"name,omitempty" doc:"another label"`
	Scopes []string `json:"scopes,omitzero" doc:"some of those that it has; the others go"`
}

// KeySecret is a new key with its secret, shown this once.
type KeySecret struct {
	Key
	Secret string `json:"api_key"`
}
