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
	AgentRef         string    `json:"agent_ref" doc:"plain, hmac or none: how the header names the agent"`
	Agents           []string  `json:"agents"`
	Frozen           bool      `json:"frozen" doc:"nothing leaves it now"`
	LegalHold        bool      `json:"legal_hold" doc:"nothing of it is erased"`
	QuotaOctets      int64     `json:"quota_octets,omitempty" doc:"of incoming mail; left out: as configured"`
	QuotaCount       int       `json:"quota_count,omitempty" doc:"incoming mails; left out: as configured"`
	RetentionDays    int       `json:"retention_days,omitempty" doc:"left out: as configured"`
	CreatedAt        time.Time `json:"created_at"`

	AutoCC            string `json:"auto_cc,omitempty" doc:"gets a copy of every mail, shown in Cc"`
	AutoBCC           string `json:"auto_bcc,omitempty" doc:"gets a blind copy of every mail"`
	SignatureBlock    string `json:"signature_block,omitempty" doc:"what stands below every mail that is written here"`
	DefaultGateTiming string `json:"default_gate_timing" doc:"gate_first or schedule_first"`
	SchedulingEnabled bool   `json:"scheduling_enabled" doc:"mail with send_at is taken"`
	MCPConfigured     bool   `json:"mcp_configured" doc:"somebody has gone through these settings"`
	AIDisclosure      bool   `json:"ai_disclosure" doc:"always true: every mail says that an agent sent it"`
}

// Mailboxes is a list of them.
type Mailboxes struct {
	Mailboxes []Mailbox `json:"mailboxes"`
}

// NewMailbox asks for a mailbox. It starts in gated_send whoever asks. One of address,
// address_local and address_local_part names it; of a local part the domain is the only one.
type NewMailbox struct {
	Address      string   `json:"address,omitempty" doc:"the whole address; its domain must be there" tool:"-"`
	Local        string   `json:"address_local,omitempty" doc:"what stands before the @, or an address" tool:"-"`
	LocalPart    string   `json:"address_local_part,omitempty" doc:"before the @" tool:"address_local_part,required"`
	Agents       []string `json:"agents,omitempty" doc:"who uses it; not needed when there is only one agent"`
	DisplayName  string   `json:"display_name,omitempty" doc:"the name in From"`
	Mode         string   `json:"oversight_mode,omitempty" doc:"ignored: a mailbox starts in gated_send" tool:"-"`
	AIDisclosure *bool    `json:"ai_disclosure,omitempty" doc:"true alone is taken" tool:"-"`
	Approval
}

// MailboxPatch names what shall change; nil leaves a value as it is.
type MailboxPatch struct {
	OversightMode    *string  `json:"oversight_mode,omitempty" doc:"one of the five, by name" enum:"mode"`
	DisplayName      *string  `json:"display_name,omitempty" doc:"the name in From"`
	AutoCC           *string  `json:"auto_cc,omitempty" doc:"gets a copy of every mail, shown in Cc; '': nobody"`
	AutoBCC          *string  `json:"auto_bcc,omitempty" doc:"gets a blind copy of every mail; '': nobody"`
	SignatureBlock   *string  `json:"signature_block,omitempty" doc:"plain text, up to 200 octets; '': none"`
	OversightAddress *string  `json:"oversight_address,omitempty" doc:"'': the account's again" tool:"-"`
	HoldSeconds      *int64   `json:"hold_seconds,omitempty" doc:"0: the default again" tool:"-"`
	AgentRef         *string  `json:"agent_ref,omitempty" doc:"how the header names it: plain, hmac or none" tool:"-"`
	LegalHold        *bool    `json:"legal_hold,omitempty" doc:"nothing of it is erased; an approver lifts it" tool:"-"`
	QuotaOctets      *int64   `json:"quota_octets,omitempty" doc:"of incoming mail; 0: as configured" tool:"-"`
	QuotaCount       *int     `json:"quota_count,omitempty" doc:"incoming mails; 0: as configured" tool:"-"`
	RetentionDays    *int     `json:"retention_days,omitempty" doc:"how long mail stays; 0: as configured" tool:"-"`
	AddAgents        []string `json:"add_agents,omitempty" doc:"let these use it too" tool:"-"`
	AIDisclosure     *bool    `json:"ai_disclosure,omitempty" doc:"true alone is taken" tool:"-"`
}

// MailboxSetup is what the first run goes through; nil leaves a value as it is.
type MailboxSetup struct {
	OversightMode     *string `json:"oversight_mode,omitempty" doc:"one of the five, by name" enum:"mode"`
	DisplayName       *string `json:"display_name,omitempty" doc:"the name in From"`
	AutoCC            *string `json:"auto_cc,omitempty" doc:"gets a copy of every mail, shown in Cc; '': nobody"`
	AutoBCC           *string `json:"auto_bcc,omitempty" doc:"gets a blind copy of every mail; '': nobody"`
	SignatureBlock    *string `json:"signature_block,omitempty" doc:"plain text, up to 200 octets; '': none"`
	DefaultGateTiming *string `json:"default_gate_timing,omitempty" doc:"when an approver is asked" enum:"timing"`
	SchedulingEnabled *bool   `json:"scheduling_enabled,omitempty" doc:"take mail with send_at"`
	AIDisclosure      *bool   `json:"ai_disclosure,omitempty" doc:"true alone is taken" tool:"-"`
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
