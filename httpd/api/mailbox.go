package api

import "time"

// Mailbox is an address that agents send from, with its oversight.
type Mailbox struct {
	ID               string    `json:"id" doc:"the address"`
	Address          string    `json:"address"`
	DisplayName      string    `json:"display_name,omitempty"`
	OversightMode    string    `json:"oversight_mode" doc:"one of the five, by name"`
	OversightAddress string    `json:"oversight_address,omitempty" doc:"empty: the account's"`
	HoldSeconds      int64     `json:"hold_seconds" doc:"how long a mail waits for a decision"`
	AgentRef         string    `json:"agent_ref" doc:"how the header names the agent: plain, hmac or none"`
	Agents           []string  `json:"agents"`
	Frozen           bool      `json:"frozen" doc:"nothing leaves it now"`
	LegalHold        bool      `json:"legal_hold" doc:"nothing of it is erased"`
	QuotaOctets      int64     `json:"quota_octets,omitempty" doc:"of incoming mail; left out: as configured"`
	QuotaCount       int       `json:"quota_count,omitempty" doc:"incoming mails; left out: as configured"`
	RetentionDays    int       `json:"retention_days,omitempty" doc:"left out: as configured"`
	CreatedAt        time.Time `json:"created_at"`
}

// Mailboxes is a list of them.
type Mailboxes struct {
	Mailboxes []Mailbox `json:"mailboxes"`
}

// NewMailbox asks for a mailbox. It starts in gated_send whoever asks.
type NewMailbox struct {
	Address     string   `json:"address" doc:"the address; its domain must be there"`
	Agents      []string `json:"agents" doc:"at least one"`
	DisplayName string   `json:"display_name,omitempty" doc:"the name in From"`
}

// MailboxPatch names what shall change; nil leaves a value as it is.
type MailboxPatch struct {
	OversightMode    *string  `json:"oversight_mode,omitempty" doc:"one of the five, by name"`
	DisplayName      *string  `json:"display_name,omitempty" doc:"the name in From"`
	OversightAddress *string  `json:"oversight_address,omitempty" doc:"'': the account's again"`
	HoldSeconds      *int64   `json:"hold_seconds,omitempty" doc:"0: the default again"`
	AgentRef         *string  `json:"agent_ref,omitempty" doc:"how the header names the agent: plain, hmac or none"`
	LegalHold        *bool    `json:"legal_hold,omitempty" doc:"nothing of it is erased; an approver lifts it"`
	QuotaOctets      *int64   `json:"quota_octets,omitempty" doc:"of incoming mail; 0: as configured"`
	QuotaCount       *int     `json:"quota_count,omitempty" doc:"incoming mails; 0: as configured"`
	RetentionDays    *int     `json:"retention_days,omitempty" doc:"how long mail stays; 0: as configured"`
	AddAgents        []string `json:"add_agents,omitempty" doc:"let these use it too"`
}

// AllowEntry lets mail to whom it names leave a gated_send mailbox undecided.
type AllowEntry struct {
	ID        string    `json:"id"`
	Pattern   string    `json:"pattern" doc:"an address, or '*@' and a domain"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// Allowlist is a list of entries.
type Allowlist struct {
	Entries []AllowEntry `json:"entries"`
}

// NewAllowEntry asks for an entry.
type NewAllowEntry struct {
	Pattern string `json:"pattern" doc:"an address, or *@ and a domain"`
	Note    string `json:"note,omitempty" doc:"why"`
}
