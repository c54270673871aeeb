package api

import (
	"context"
	"time"
)

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
	Scope  string `json:"scope"`
	Reason string `json:"reason,omitempty"`
}

// Stopped is what a freeze met on its way out: nothing of Stopped leaves, and
// Past had been allowed to leave before.
type Stopped struct {
	Stopped []string `json:"stopped"`
	Past    []string `json:"past"`
}

// Freeze stops everything in scope. When it returns nothing in scope leaves.
func (c *Client) Freeze(ctx context.Context, scope, reason string) (Stopped, error) {
	return call[Stopped](ctx, c, "POST", "/v1/freeze", ScopeRequest{scope, reason})
}

// Thaw ends a freeze.
func (c *Client) Thaw(ctx context.Context, scope string) error {
	return c.do(ctx, "POST", "/v1/thaw", ScopeRequest{Scope: scope}, nil)
}

// Freezes lists the freezes in force.
func (c *Client) Freezes(ctx context.Context) ([]Freeze, error) {
	var l Freezes
	err := c.do(ctx, "GET", "/v1/freezes", nil, &l)
	return l.Freezes, err
}
