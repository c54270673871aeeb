package main

import (
	"strconv"

	"github.com/multimail/multimail/httpd/api"
)

// webhookCmd is about the URLs that events are sent to.
type webhookCmd struct {
	Add        webhookAddCmd        `cmd:"" help:"Have events sent to a URL; prints its signing secret once."`
	List       webhookListCmd       `cmd:"" help:"List webhooks, disabled ones too."`
	Rm         webhookRmCmd         `cmd:"" help:"End a webhook; what was not delivered is forgotten."`
	Rotate     webhookRotateCmd     `cmd:"" help:"Give it a new secret; the old one signs for a day more."`
	Deliveries webhookDeliveriesCmd `cmd:"" help:"List what was and is to be delivered."`
	Redeliver  webhookRedeliverCmd  `cmd:"" help:"Deliver an event again, now and under its id."`
}

type webhookAddCmd struct {
	URL     string   `arg:"" help:"Where the events go: https, a public host."`
	Event   []string `help:"Events, such as message.received; docs/webhooks.md has all." required:"" placeholder:"NAME"`
	Mailbox string   `help:"Only this mailbox." placeholder:"ADDR"`
	Format  string   `help:"raw, slack or teams." enum:"raw,slack,teams" default:"raw"`
}

func (a webhookAddCmd) Run(e *environment) error {
	q := api.NewWebhook{URL: a.URL, Events: a.Event, Mailbox: a.Mailbox, Format: a.Format}
	return show(e, api.CreateWebhook, q, e.webhookSecret)
}

func (e *environment) webhookSecret(w api.WebhookSecret) error {
	return e.line("webhook %s, signing secret %s", w.ID, w.Secret)
}

type webhookListCmd struct{}

func (webhookListCmd) Run(e *environment) error {
	return list(e, api.ListWebhooks, api.None{}, func(all api.Webhooks) []api.Webhook { return all.Subscriptions },
		"ID\tURL\tEVENTS\tMAILBOX\tSTATE\tPENDING\tCREATED", func(w api.Webhook) []string {
			state := "active"
			switch {
			case !w.IsActive:
				state = "disabled: " + w.Why
			case !w.FailingAt.IsZero():
				state = "failing since " + short(w.FailingAt)
			}
			return []string{w.ID, w.URL, joined(w.Events), w.Mailbox, state, strconv.Itoa(w.Pending), short(w.CreatedAt)}
		})
}

type webhookRmCmd struct {
	ID string `arg:"" help:"Id of the webhook."`
}

func (r webhookRmCmd) Run(e *environment) error {
	return remove(e, api.DeleteWebhook, api.WebhookRef{ID: r.ID}, r.ID, "is removed")
}

type webhookRotateCmd struct {
	ID string `arg:"" help:"Id of the webhook."`
}

func (r webhookRotateCmd) Run(e *environment) error {
	return show(e, api.RotateWebhook, api.WebhookRef{ID: r.ID}, e.webhookSecret)
}

type webhookDeliveriesCmd struct {
	Webhook string `help:"Only those of this webhook." placeholder:"ID"`
	Limit   int    `help:"At most so many." default:"50"`
}

func (d webhookDeliveriesCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		all := []api.Delivery{}
		for cursor := ""; len(all) < d.Limit; {
			page, err := api.Call(e.ctx, c, api.ListDeliveries,
				api.DeliveryQuery{Webhook: d.Webhook, Limit: min(100, d.Limit-len(all)), Cursor: cursor})
			if err != nil {
				return err
			}
			all = append(all, page.Deliveries...)
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		return printList(e, all, "ID\tEVENT\tMAIL\tSTATUS\tATTEMPTS\tANSWER\tLAST ATTEMPT", func(d api.Delivery) []string {
			answer := d.Problem
			if d.Response != 0 {
				answer = strconv.Itoa(d.Response)
			}
			return []string{d.ID, d.Event, d.EmailID, d.Status, strconv.Itoa(d.Attempts), answer, short(d.LastAt)}
		})
	})
}

type webhookRedeliverCmd struct {
	ID string `arg:"" help:"Id of the delivery."`
}

func (r webhookRedeliverCmd) Run(e *environment) error {
	return show(e, api.Redeliver, api.DeliveryRef{ID: r.ID}, func(d api.Delivery) error {
		return e.line("%s is %s", d.ID, d.Status)
	})
}
