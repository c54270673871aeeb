package api

import "time"

// OAuthClient is a program that may ask people to let it act for an agent.
type OAuthClient struct {
	ID        string    `json:"client_id"`
	Name      string    `json:"name,omitempty" untrusted:"true" doc:"what it calls itself"`
	Source    string    `json:"source" doc:"operator, or self for one that registered itself"`
	Redirects []string  `json:"redirect_uris,omitempty" untrusted:"true"`
	Method    string    `json:"method" doc:"how it proves itself, as in RFC 7591; or none"`
	Own       string    `json:"own_grant,omitempty" doc:"the grant by which it acts for itself"`
	IsActive  bool      `json:"is_active"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero" doc:"first token of one that registered itself"`
}

// OAuthClients is a list of them.
type OAuthClients struct {
	Clients []OAuthClient `json:"clients"`
}

// NewOAuthClient asks for a client.
type NewOAuthClient struct {
	Name      string   `json:"name,omitempty" doc:"what people are shown"`
	Redirects []string `json:"redirect_uris,omitempty" doc:"as the client sends them; the port of loopback is free"`
	Method    string   `json:"method,omitempty" doc:"as in RFC 7591; left out: none"`
	Keys      string   `json:"jwks,omitempty" doc:"its public keys, a JWK set as text, for private_key_jwt"`
	KeysURI   string   `json:"jwks_uri,omitempty" doc:"where its public keys are, in place of jwks"`
	Agent     string   `json:"agent,omitempty" doc:"it acts for itself, as this agent"`
	Scopes    []string `json:"scopes,omitempty" doc:"with agent: what it may do"`
	Resource  string   `json:"resource,omitempty" doc:"with agent: what its tokens are for; left out: /mcp"`
}

// OAuthClientSecret is a client with its secret, shown this once.
type OAuthClientSecret struct {
	OAuthClient
	Secret string `json:"client_secret,omitempty"`
}

// OAuthClientRef names a client.
type OAuthClientRef struct {
	ID string `path:"id" doc:"of the client"`
}

// OAuthSecret is a new secret of a client, shown this once.
type OAuthSecret struct {
	Secret string `json:"client_secret"`
}

// Grant is what somebody has let a client do.
type Grant struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" doc:"agent, approver or admin"`
	Owner     string    `json:"owner" doc:"whom the client acts as"`
	Client    string    `json:"client_id" untrusted:"true"`
	Person    string    `json:"granted_by,omitempty" doc:"issuer:tenant:id; empty for a client of its own"`
	Scopes    []string  `json:"scopes"`
	Mailboxes []string  `json:"mailboxes,omitempty" doc:"the only ones; empty: all of the owner's"`
	Resource  string    `json:"resource" doc:"what its tokens are for"`
	IsActive  bool      `json:"is_active" doc:"false: it has ended, or who granted could not do so any more"`
	CreatedAt time.Time `json:"created_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Sessions of MCP that clients have open with it here; those without sessions count for nothing.
	Sessions      int       `json:"sessions,omitempty" doc:"of MCP, that are open"`
	SessionsSince time.Time `json:"sessions_since,omitzero" doc:"when the oldest of them began"`
	SessionsUsed  time.Time `json:"sessions_used_at,omitzero" doc:"when one of them was last used"`
}

// Grants is a list of them.
type Grants struct {
	Grants []Grant `json:"grants"`
}

// GrantRef names a grant.
type GrantRef struct {
	ID string `path:"id" doc:"of the grant"`
}
