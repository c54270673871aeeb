package main

import (
	"github.com/multimail/multimail/httpd/api"
)

type agentCmd struct {
	Add      agentAddCmd      `cmd:"" help:"Add an agent; prints its SMTP password once."`
	List     agentListCmd     `cmd:"" help:"List agents."`
	Disable  agentDisableCmd  `cmd:"" help:"End its credentials and stop its mail."`
	Enable   agentEnableCmd   `cmd:"" help:"Undo disable."`
	Password agentPasswordCmd `cmd:"" help:"Give it a new SMTP password; the old one is void."`
}

type agentAddCmd struct {
	Name string `arg:"" help:"Name of the agent."`
	Ref  string `help:"Its name at its identity provider." placeholder:"ID"`
}

func (a agentAddCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		p, err := c.AddAgent(e.ctx, api.NewAgent{Name: a.Name, AgentRef: a.Ref})
		if err != nil {
			return err
		}
		return e.print(p, func() error { return e.line("agent %s, SMTP password %s", p.Name, p.Password) })
	})
}

type agentPasswordCmd struct {
	Name string `arg:"" help:"Name of the agent."`
}

func (a agentPasswordCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		p, err := c.ResetPassword(e.ctx, a.Name)
		if err != nil {
			return err
		}
		return e.print(p, func() error { return e.line("agent %s, SMTP password %s", p.Name, p.Password) })
	})
}

type agentListCmd struct{}

func (agentListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		l, err := c.Agents(e.ctx)
		if err != nil {
			return err
		}
		return e.print(l, func() error {
			rows := make([][]string, 0, len(l))
			for _, a := range l {
				state := "active"
				if a.Disabled {
					state = "disabled"
				}
				rows = append(rows, []string{a.Name, state, a.AgentRef, short(a.CreatedAt)})
			}
			return e.table("AGENT\tSTATE\tREF\tCREATED", rows)
		})
	})
}

type agentDisableCmd struct {
	Name string `arg:"" help:"Name of the agent."`
}

func (a agentDisableCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		s, err := c.DisableAgent(e.ctx, a.Name)
		if err != nil {
			return err
		}
		return e.print(s, func() error { return e.stopped("agent "+a.Name+" is disabled", s) })
	})
}

type agentEnableCmd struct {
	Name string `arg:"" help:"Name of the agent."`
}

func (a agentEnableCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		g, err := c.EnableAgent(e.ctx, a.Name)
		if err != nil {
			return err
		}
		return e.print(g, func() error { return e.line("agent %s is enabled", a.Name) })
	})
}
