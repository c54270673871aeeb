package main

import (
	"github.com/multimail/multimail/httpd/api"
)

type clockCmd struct {
	Show   clockShowCmd   `cmd:"" default:"1" help:"Say whether the clock is trusted."`
	Accept clockAcceptCmd `cmd:"" help:"Trust the clock as it is now."`
}

type clockShowCmd struct{}

func (clockShowCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		s, err := c.Clock(e.ctx)
		return e.clock(s, err)
	})
}

type clockAcceptCmd struct{}

func (clockAcceptCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		s, err := c.AcceptClock(e.ctx)
		return e.clock(s, err)
	})
}

// clock prints what the server says of its clock.
func (e *environment) clock(s api.Clock, err error) error {
	if err != nil {
		return err
	}
	return e.print(s, func() error {
		if s.Trusted {
			return e.line("trusted, it shows %s", short(s.Now))
		}
		return e.line("in doubt: %s; it shows %s. No hold expires, no scheduled mail leaves, no retry ends.",
			printable(s.Doubt), short(s.Now))
	})
}
