package main

import (
	"github.com/multimail/multimail/httpd/api"
)

type allowCmd struct {
	Add  allowAddCmd  `cmd:"" help:"Let mail to an address or *@domain leave undecided."`
	List allowListCmd `cmd:"" help:"List the allowlist of a mailbox."`
	Rm   allowRmCmd   `cmd:"" help:"Take an entry off."`
}

type allowAddCmd struct {
	Mailbox string `arg:"" help:"Mailbox."`
	Pattern string `arg:"" help:"Address, or *@domain."`
	Note    string `help:"Why." placeholder:"TEXT"`
}

func (a allowAddCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		n, err := c.AllowAdd(e.ctx, a.Mailbox, api.NewAllowEntry{Pattern: a.Pattern, Note: a.Note})
		if err != nil {
			return err
		}
		return e.print(n, func() error { return e.line("%s %s", n.ID, n.Pattern) })
	})
}

type allowListCmd struct {
	Mailbox string `arg:"" help:"Mailbox."`
}

func (a allowListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		l, err := c.Allowlist(e.ctx, a.Mailbox)
		if err != nil {
			return err
		}
		return e.print(l, func() error {
			rows := make([][]string, 0, len(l))
			for _, n := range l {
				rows = append(rows, []string{n.ID, n.Pattern, n.Note, short(n.CreatedAt)})
			}
			return e.table("ID\tPATTERN\tNOTE\tADDED", rows)
		})
	})
}

type allowRmCmd struct {
	Mailbox string `arg:"" help:"Mailbox."`
	ID      string `arg:"" help:"Id of the entry."`
}

func (a allowRmCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		if err := c.AllowRemove(e.ctx, a.Mailbox, a.ID); err != nil {
			return err
		}
		return e.print(removed{a.ID}, func() error { return e.line("%s is off the allowlist", a.ID) })
	})
}
