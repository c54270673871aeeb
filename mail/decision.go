package mail

import (
	"time"
)

// Decision is what one principal decided over one mail. Today one suffices.
type Decision struct {
	Principal string    `json:"principal"`
	Kind      string    `json:"kind"` // "reviewer", or "human" after an interactive sign-in
	Approve   bool      `json:"approve"`
	Digest    Digest    `json:"digest"`
	Reason    string    `json:"reason,omitempty"`
	At        time.Time `json:"at"`
	Ref       string    `json:"ref"` // hash of its audit entry, hex

	// Where that entry stands, so that the claim finds it; Chain is empty in
	// records older than these fields.
	Chain string `json:"chain,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
}

// Release is the record of why and under whose name a mail left. Stamps are made from it.
type Release struct {
	Mode         Mode      `json:"mode"`
	Basis        Basis     `json:"basis"`
	By           string    `json:"by"`  // "human", "reviewer", "allowlist" or "none"
	At           time.Time `json:"at"`  // whole seconds
	Ref          string    `json:"ref"` // hash of the approve entry (human, reviewer) or the submit entry, hex
	Operator     string    `json:"operator"`
	AgentRef     string    `json:"agent_ref,omitempty"`  // "" where RefPolicy is RefNone
	RefPolicy    RefPolicy `json:"ref_policy,omitempty"` // of the mailbox
	Verified     bool      `json:"verified,omitempty"`   // the DNS showed that the domain is the operator's
	Capabilities []string  `json:"capabilities"`
}
