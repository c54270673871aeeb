package api

import (
	"context"
	"time"
)

// Domain is a sending domain.
type Domain struct {
	Name      string    `json:"name"`
	Verified  bool      `json:"verified"` // false: no check of a domain is built yet
	CreatedAt time.Time `json:"created_at"`
	DNS       []Record  `json:"dns_records,omitempty"` // to be published; not in lists
}

// Record is a DNS record to be published.
type Record struct {
	Type  string `json:"type"` // "TXT"
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Domains is a list of them.
type Domains struct {
	Domains []Domain `json:"domains"`
}

// NewDomain asks for a domain.
type NewDomain struct {
	Name string `json:"name"`
}

// Agent is a principal that sends mail.
type Agent struct {
	Name      string    `json:"name"`
	AgentRef  string    `json:"agent_ref,omitempty"` // its name at its identity provider
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

// Agents is a list of them.
type Agents struct {
	Agents []Agent `json:"agents"`
}

// NewAgent asks for an agent.
type NewAgent struct {
	Name     string `json:"name"`
	AgentRef string `json:"agent_ref,omitempty"`
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
	Kind      string    `json:"kind"` // agent, approver, admin
	Owner     string    `json:"owner"`
	Scopes    []string  `json:"scopes"`
	Mailboxes []string  `json:"mailboxes,omitempty"` // the only ones; empty: all of the owner's
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
	Name      string   `json:"name,omitempty"` // a label
	Kind      string   `json:"kind"`
	Owner     string   `json:"owner"`
	Scopes    []string `json:"scopes,omitempty"`
	Mailboxes []string `json:"mailboxes,omitempty"`
}

// KeySecret is a new key with its secret, shown this once.
type KeySecret struct {
	Key
	Secret string `json:"api_key"`
}

// Domains lists the sending domains.
func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	var l Domains
	err := c.do(ctx, "GET", "/v1/domains", nil, &l)
	return l.Domains, err
}

// Domain returns one domain with its DNS records.
func (c *Client) Domain(ctx context.Context, name string) (Domain, error) {
	return call[Domain](ctx, c, "GET", path("domains", name), nil)
}

// AddDomain adds a domain and makes its keys.
func (c *Client) AddDomain(ctx context.Context, name string) (Domain, error) {
	return call[Domain](ctx, c, "POST", "/v1/domains", NewDomain{name})
}

// Agents lists the agents.
func (c *Client) Agents(ctx context.Context) ([]Agent, error) {
	var l Agents
	err := c.do(ctx, "GET", "/v1/agents", nil, &l)
	return l.Agents, err
}

// AddAgent adds an agent.
func (c *Client) AddAgent(ctx context.Context, n NewAgent) (AgentPassword, error) {
	return call[AgentPassword](ctx, c, "POST", "/v1/agents", n)
}

// DisableAgent ends an agent's credentials and stops its mail.
func (c *Client) DisableAgent(ctx context.Context, name string) (Stopped, error) {
	return call[Stopped](ctx, c, "POST", path("agents", name, "disable"), nil)
}

// EnableAgent undoes DisableAgent.
func (c *Client) EnableAgent(ctx context.Context, name string) (Agent, error) {
	return call[Agent](ctx, c, "POST", path("agents", name, "enable"), nil)
}

// ResetPassword gives an agent a new SMTP password and ends the old one.
func (c *Client) ResetPassword(ctx context.Context, name string) (AgentPassword, error) {
	return call[AgentPassword](ctx, c, "POST", path("agents", name, "password"), nil)
}

// Keys lists the API keys, revoked ones too.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	var l Keys
	err := c.do(ctx, "GET", "/v1/api-keys", nil, &l)
	return l.Keys, err
}

// AddKey makes a key.
func (c *Client) AddKey(ctx context.Context, n NewKey) (KeySecret, error) {
	return call[KeySecret](ctx, c, "POST", "/v1/api-keys", n)
}

// RevokeKey ends a key.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.do(ctx, "DELETE", path("api-keys", id), nil, nil)
}
