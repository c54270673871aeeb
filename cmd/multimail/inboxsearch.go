package main

import (
	"fmt"
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

type inboxSearchCmd struct {
	Mailbox string   `arg:"" help:"Mailbox to search in." placeholder:"ADDR"`
	Query   []string `arg:"" passthrough:"" help:"${query}"`
}

func (q inboxSearchCmd) Run(e *environment) error {
	for _, part := range q.Query { // as a word it would say nothing, and the flag would not be heeded
		if strings.HasPrefix(part, "--") {
			return usageError{hinted{fmt.Errorf("%s stands behind the mailbox, where the query begins", part),
				"write flags before the mailbox"}}
		}
	}
	return e.withClient(func(c *api.Client) error {
		l, err := api.Call(e.ctx, c, api.CheckInbox, api.EmailQuery{MailboxRef: api.MailboxRef{Mailbox: q.Mailbox},
			Query: strings.Join(q.Query, " "), Limit: page})
		if err != nil {
			return err
		}
		if l.Cursor != "" {
			fmt.Fprintln(e.stderr, "There are more: search for rarer words, or before: a day.")
		}
		return printList(e, l.Emails, "ID\tSTATUS\tFROM\tSUBJECT\tRECEIVED", func(x api.Summary) []string {
			return []string{x.ID, x.Status, x.From, cut(x.Subject, 40), short(x.ReceivedAt)}
		})
	})
}

type inboxReindexCmd struct{}

func (inboxReindexCmd) Run(e *environment) error {
	return show(e, api.Reindex, api.None{}, func(api.Done) error {
		return e.line("The search index is being made anew; until then queries are answered 503.")
	})
}
