package main

import (
	"errors"
	"fmt"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key; prints its secret once, or writes it to --out."`
	List   keyListCmd   `cmd:"" help:"List keys."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key."`
}

type keyCreateCmd struct {
	Kind    string   `arg:"" enum:"agent,approver,admin" help:"Whose key: ${enum}."`
	Owner   string   `arg:"" help:"Name of the agent, approver or admin."`
	Scope   []string `help:"Scopes; all that the kind may hold if left out." placeholder:"SCOPE"`
	Mailbox []string `help:"Only these mailboxes." placeholder:"ADDR"`
	Name    string   `help:"A label." placeholder:"TEXT"`
	Out     string   `help:"Write the secret to this new file, mode 0600." type:"path" placeholder:"FILE"`
}

func (k keyCreateCmd) Run(e *environment) error {
	if k.Out != "" && k.Kind == "approver" {
		if in, err := inside(e.globals.Data, k.Out); err != nil {
			return err
		} else if in {
			return errKeyInside
		}
	}
	if len(k.Scope) == 0 {
		for _, s := range registry.Kind(k.Kind).Scopes() {
			k.Scope = append(k.Scope, string(s))
		}
	}
	return e.withClient(func(c *api.Client) error {
		s, err := c.AddKey(e.ctx, api.NewKey{Name: k.Name, Kind: k.Kind, Owner: k.Owner, Scopes: k.Scope, Mailboxes: k.Mailbox})
		if err != nil {
			return err
		}
		if k.Out != "" {
			if err := writeNew(k.Out, s.Secret+"\n"); err != nil {
				return errors.Join(fmt.Errorf("the key could not be written and is revoked: %w", err), c.RevokeKey(e.ctx, s.ID))
			}
			s.Secret = ""
		}
		return e.print(s, func() error {
			if k.Out != "" {
				return e.line("%s %s %s, in %s", s.ID, s.Kind, s.Owner, k.Out)
			}
			return e.line("%s", s.Secret)
		})
	})
}

type keyListCmd struct{}

func (keyListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		l, err := c.Keys(e.ctx)
		if err != nil {
			return err
		}
		return e.print(l, func() error {
			rows := make([][]string, 0, len(l))
			for _, k := range l {
				state := "active"
				if !k.IsActive {
					state = "revoked"
				}
				rows = append(rows, []string{k.ID, k.Kind, k.Owner, list(k.Scopes), state, short(k.CreatedAt)})
			}
			return e.table("ID\tKIND\tOWNER\tSCOPES\tSTATE\tCREATED", rows)
		})
	})
}

type keyRevokeCmd struct {
	ID string `arg:"" help:"Id of the key."`
}

func (k keyRevokeCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		if err := c.RevokeKey(e.ctx, k.ID); err != nil {
			return err
		}
		return e.print(removed{k.ID}, func() error { return e.line("%s is revoked", k.ID) })
	})
}

// removed is what is left to say about something that is gone.
type removed struct {
	ID string `json:"id"`
}
