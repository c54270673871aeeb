package api

import (
	"context"
	"time"
)

// Mailbox is an address that agents send from, with its oversight.
type Mailbox struct {
	ID               string    `json:"id"` // the address
	Address          string    `json:"address"`
	DisplayName      string    `json:"display_name,omitempty"`
	OversightMode    string    `json:"oversight_mode"`              // one of the five, by name
	OversightAddress string    `json:"oversight_address,omitempty"` // empty: the account's
	HoldSeconds      int64     `json:"hold_seconds"`                // how long a mail waits for a decision
	Agents           []string  `json:"agents"`
	Frozen           bool      `json:"frozen"` // nothing leaves it now
	CreatedAt        time.Time `json:"created_at"`
}

// Mailboxes is a list of them.
type Mailboxes struct {
	Mailboxes []Mailbox `json:"mailboxes"`
}

// NewMailbox asks for a mailbox. It starts in gated_send whoever asks.
type NewMailbox struct {
	Address     string   `json:"address"`
	Agents      []string `json:"agents"` // at least one
	DisplayName string   `json:"display_name,omitempty"`
}

// MailboxPatch names what shall change; nil leaves a value as it is.
type MailboxPatch struct {
	OversightMode    *string  `json:"oversight_mode,omitempty"`
	DisplayName      *string  `json:"display_name,omitempty"`
	OversightAddress *string  `json:"oversight_address,omitempty"` // "": the account's again
	HoldSeconds      *int64   `json:"hold_seconds,omitempty"`      // 0: the default again
	AddAgents        []string `json:"add_agents,omitempty"`        // let these use it too
}

// AllowEntry lets mail to whom it names leave a gated_send mailbox undecided.
type AllowEntry struct {
	ID        string    `json:"id"`
	Pattern   string    `json:"pattern"` // an address, or "*@" and a domain
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// Allowlist is a list of entries.
type Allowlist struct {
	Entries []AllowEntry `json:"entries"`
}

// NewAllowEntry asks for an entry.
type NewAllowEntry struct {
	Pattern string `json:"pattern"`
	Note    string `json:"note,omitempty"`
}

// Mailboxes lists the mailboxes the credential reaches.
func (c *Client) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	var l Mailboxes
	err := c.do(ctx, "GET", "/v1/mailboxes", nil, &l)
	return l.Mailboxes, err
}

// Mailbox returns one mailbox.
func (c *Client) Mailbox(ctx context.Context, id string) (Mailbox, error) {
	return call[Mailbox](ctx, c, "GET", path("mailboxes", id), nil)
}

// AddMailbox makes a mailbox.
func (c *Client) AddMailbox(ctx context.Context, n NewMailbox) (Mailbox, error) {
	return call[Mailbox](ctx, c, "POST", "/v1/mailboxes", n)
}

// PatchMailbox changes a mailbox and returns it as it stands then. All of the
// patch is done or none.
func (c *Client) PatchMailbox(ctx context.Context, id string, p MailboxPatch) (Mailbox, error) {
	return call[Mailbox](ctx, c, "PATCH", path("mailboxes", id), p)
}

// SetMode is PatchMailbox for the oversight mode alone.
func (c *Client) SetMode(ctx context.Context, id, mode string) (Mailbox, error) {
	return c.PatchMailbox(ctx, id, MailboxPatch{OversightMode: &mode})
}

// Allowlist lists the allowlist of a mailbox, oldest entry first.
func (c *Client) Allowlist(ctx context.Context, mailbox string) ([]AllowEntry, error) {
	var l Allowlist
	err := c.do(ctx, "GET", path("mailboxes", mailbox, "allowlist"), nil, &l)
	return l.Entries, err
}

// AllowAdd adds an entry to the allowlist of a mailbox.
func (c *Client) AllowAdd(ctx context.Context, mailbox string, n NewAllowEntry) (AllowEntry, error) {
	return call[AllowEntry](ctx, c, "POST", path("mailboxes", mailbox, "allowlist"), n)
}

// AllowRemove takes an entry off the allowlist of a mailbox.
func (c *Client) AllowRemove(ctx context.Context, mailbox, entry string) error {
	return c.do(ctx, "DELETE", path("mailboxes", mailbox, "allowlist", entry), nil, nil)
}
