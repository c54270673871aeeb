package main

import (
	"github.com/multimail/multimail/httpd/api"
)

type mailboxCmd struct {
	Add  mailboxAddCmd  `cmd:"" help:"Add a mailbox; it starts in gated_send."`
	List mailboxListCmd `cmd:"" help:"List mailboxes."`
	Mode mailboxModeCmd `cmd:"" help:"Change the oversight mode."`
	Set  mailboxSetCmd  `cmd:"" help:"Change other settings."`
}

type mailboxAddCmd struct {
	Address string   `arg:"" help:"Address on one of the sending domains."`
	Agent   []string `help:"Agents that may use it." required:"" placeholder:"NAME"`
	Name    string   `help:"Display name." placeholder:"TEXT"`
}

func (m mailboxAddCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		b, err := c.AddMailbox(e.ctx, api.NewMailbox{Address: m.Address, Agents: m.Agent, DisplayName: m.Name})
		if err != nil {
			return err
		}
		return e.print(b, func() error { return e.line("%s is in %s", b.Address, b.OversightMode) })
	})
}

type mailboxListCmd struct{}

func (mailboxListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		l, err := c.Mailboxes(e.ctx)
		if err != nil {
			return err
		}
		return e.print(l, func() error {
			rows := make([][]string, 0, len(l))
			for _, b := range l {
				frozen := ""
				if b.Frozen {
					frozen = "frozen"
				}
				rows = append(rows, []string{b.Address, b.OversightMode, list(b.Agents), frozen})
			}
			return e.table("MAILBOX\tMODE\tAGENTS\t", rows)
		})
	})
}

type mailboxModeCmd struct {
	Address string `arg:"" help:"Mailbox."`
	Mode    string `arg:"" enum:"read_only,gated_all,gated_send,monitored,autonomous" help:"One of ${enum}."`
}

func (m mailboxModeCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		b, err := c.SetMode(e.ctx, m.Address, m.Mode)
		if err != nil {
			return err
		}
		return e.print(b, func() error { return e.line("%s is in %s", b.Address, b.OversightMode) })
	})
}

type mailboxSetCmd struct {
	Address   string   `arg:"" help:"Mailbox."`
	Name      *string  `help:"Display name." placeholder:"TEXT"`
	Oversight *string  `help:"Address that gets the copies in monitored; empty for the operator's." placeholder:"ADDR"`
	Hold      *int64   `help:"Seconds a mail waits for a decision; 0 for the default." placeholder:"N"`
	Agent     []string `help:"Agents that may use it too." placeholder:"NAME"`
}

func (m mailboxSetCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		b, err := c.PatchMailbox(e.ctx, m.Address, api.MailboxPatch{
			DisplayName: m.Name, OversightAddress: m.Oversight, HoldSeconds: m.Hold, AddAgents: m.Agent,
		})
		if err != nil {
			return err
		}
		return e.print(b, func() error { return e.line("%s is changed", b.Address) })
	})
}
