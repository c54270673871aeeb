package api

import (
	"strings"
	"time"
)

// Domain is a sending domain.
type Domain struct {
	Name      string    `json:"name"`
	Verified  bool      `json:"verified" doc:"false: no check of a domain is built yet"`
	CreatedAt time.Time `json:"created_at"`
	DNS       []Record  `json:"dns_records,omitempty" doc:"to be published; not in lists"`
}

// Record is a DNS record to be published.
type Record struct {
	Type  string `json:"type" doc:"'TXT'"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Zone returns the record as a line of a zone file. A string in a TXT record
// holds 255 octets at most (RFC 1035, section 3.3); resolvers join them.
func (r Record) Zone() string {
	var b strings.Builder
	b.WriteString(r.Name + ". " + r.Type)
	for text := r.Value; text != ""; {
		n := min(255, len(text))
		b.WriteString(` "` + text[:n] + `"`)
		text = text[n:]
	}
	return b.String()
}

// Domains is a list of them.
type Domains struct {
	Domains []Domain `json:"domains"`
}

// NewDomain asks for a domain.
type NewDomain struct {
	Name string `json:"name" doc:"of the domain"`
}

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
}

// Keys is a list of them.
type Keys struct {
	Keys []Key `json:"api_keys"`
}

// NewKey asks for a key.
type NewKey struct {
	Name      string   `json:"name,omitempty" doc:"a label"`
	Kind      string   `json:"kind" doc:"agent, approver or admin"`
	Owner     string   `json:"owner" doc:"whom it speaks for"`
	Scopes    []string `json:"scopes,omitempty" doc:"those of its kind; left out: read, for an agent"`
	Mailboxes []string `json:"mailboxes,omitempty" doc:"the only ones; left out: all of the owner"`
}

// KeySecret is a new key with its secret, shown this once.
type KeySecret struct {
	Key
	Secret string `json:"api_key"`
}
