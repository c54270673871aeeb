package api

import "time"

// Binding says which agent or approver an identity at an issuer is.
type Binding struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" doc:"agent, approver or admin"`
	Owner     string    `json:"owner" doc:"its name here"`
	Issuer    string    `json:"issuer" doc:"as the configuration names it"`
	Tenant    string    `json:"tenant,omitempty"`
	Object    string    `json:"object" doc:"object id of the agent or person"`
	Client    string    `json:"client,omitempty" doc:"client id of the agent, for tokens with a user"`
	Account   string    `json:"account,omitempty" doc:"object id of the agent's own user account"`
	Scopes    []string  `json:"scopes"`
	Mailboxes []string  `json:"mailboxes,omitempty" doc:"the only ones; empty: all of the owner's"`
	IsActive  bool      `json:"is_active"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// Bindings is a list of them.
type Bindings struct {
	Bindings []Binding `json:"bindings"`
}

// NewBinding asks for a binding.
type NewBinding struct {
	Kind      string   `json:"kind" doc:"agent, approver or admin"`
	Owner     string   `json:"owner" doc:"the agent, or the approver, who may be new"`
	Issuer    string   `json:"issuer" doc:"as the configuration names it"`
	Tenant    string   `json:"tenant,omitempty" doc:"id of the tenant, where the issuer has tenants"`
	Object    string   `json:"object" doc:"object id of the agent or person; an agent's becomes its agent_ref"`
	Client    string   `json:"client,omitempty" doc:"client id of the agent, for tokens with a user"`
	Account   string   `json:"account,omitempty" doc:"object id of the agent's own user account"`
	Scopes    []string `json:"scopes,omitempty" doc:"admin: audit_read, tighten; left out: read and send, for an agent"`
	Mailboxes []string `json:"mailboxes,omitempty" doc:"the only ones; left out: all of the owner"`
}

// BindingRef names a binding.
type BindingRef struct {
	ID string `path:"id" doc:"of the binding"`
}
