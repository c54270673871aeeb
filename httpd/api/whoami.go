package api

import "context"

// Identity is who a credential speaks for and what it may do.
type Identity struct {
	Kind      string   `json:"kind"` // agent, approver, admin, socket
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`              // read, send, oversight, oversight_read, admin
	Mailboxes []string `json:"mailboxes,omitempty"` // of an agent
}

// Has reports whether the credential holds a scope. None implies another.
func (i Identity) Has(scope string) bool {
	for _, s := range i.Scopes {
		if s == scope {
			return true
		}
	}
	return false
}

// Whoami returns whom the client's credential speaks for.
func (c *Client) Whoami(ctx context.Context) (Identity, error) {
	return call[Identity](ctx, c, "GET", "/v1/whoami", nil)
}
