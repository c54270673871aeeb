package api

import (
	"context"
	"time"
)

// Clock says whether the server trusts its clock. While it does not, no hold
// expires, no scheduled mail leaves and no retry lifetime ends.
type Clock struct {
	Trusted bool      `json:"trusted"`
	Doubt   string    `json:"doubt,omitempty"` // why not
	Now     time.Time `json:"now"`             // what the clock shows
}

// Clock tells whether the server trusts its clock.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	return call[Clock](ctx, c, "GET", "/v1/clock", nil)
}

// AcceptClock makes the server trust its clock as it is.
func (c *Client) AcceptClock(ctx context.Context) (Clock, error) {
	return call[Clock](ctx, c, "POST", "/v1/clock/accept", nil)
}
