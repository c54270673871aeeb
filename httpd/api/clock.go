package api

import "time"

// Clock says whether the server trusts its clock. While it does not, no hold
// expires, no scheduled mail leaves and no retry lifetime ends.
type Clock struct {
	Trusted bool      `json:"trusted"`
	Doubt   string    `json:"doubt,omitempty" doc:"why not"`
	Now     time.Time `json:"now" doc:"what the clock shows"`
}
