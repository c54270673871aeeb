package main

import (
	"github.com/multimail/multimail/httpd/api"
)

type operatorCmd struct {
	Name      *string `help:"Name of the accountable organisation." placeholder:"TEXT"`
	Oversight *string `help:"Address that gets copies of monitored mail." placeholder:"ADDR"`
}

func (o operatorCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) (err error) {
		var a api.Account
		if o.Name == nil && o.Oversight == nil {
			a, err = c.Account(e.ctx)
		} else {
			a, err = c.PatchAccount(e.ctx, api.AccountPatch{Name: o.Name, OversightEmail: o.Oversight})
		}
		if err != nil {
			return err
		}
		return e.print(a, func() error { return e.line("%s, oversight address %s", a.Name, a.OversightEmail) })
	})
}
