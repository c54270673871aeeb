package main

import (
	"github.com/multimail/multimail/httpd/api"
)

type suppressCmd struct {
	List suppressListCmd `cmd:"" help:"List the addresses that mailboxes may not send to."`
	Rm   suppressRmCmd   `cmd:"" help:"Take an address off the list; an approver's key does."`
}

type suppressListCmd struct {
	Limit int `help:"At most so many." default:"100"`
}

func (s suppressListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		all := []api.Suppression{}
		for cursor := ""; len(all) < s.Limit; {
			page, err := api.Call(e.ctx, c, api.ListSuppression,
				api.SuppressionQuery{Limit: min(100, s.Limit-len(all)), Cursor: cursor})
			if err != nil {
				return err
			}
			all = append(all, page.Suppressions...)
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		return printList(e, all, "ADDRESS\tREASON\tCODE\tMAILBOX\tSINCE\tMAIL", func(s api.Suppression) []string {
			return []string{s.EmailAddress, s.Reason, s.Code, s.MailboxID, short(s.CreatedAt), s.About}
		})
	})
}

type suppressRmCmd struct {
	Address string `arg:"" help:"Address."`
}

func (s suppressRmCmd) Run(e *environment) error {
	return remove(e, api.RemoveSuppression, api.SuppressionRef{Address: s.Address}, s.Address,
		"is off the suppression list")
}
