package main

import (
	"fmt"

	"github.com/multimail/multimail/httpd/api"
)

type mailCmd struct {
	List   mailListCmd   `cmd:"" help:"List mail of every mailbox, newest first."`
	Show   mailShowCmd   `cmd:"" help:"Show the standing of a mail."`
	Hold   mailHoldCmd   `cmd:"" help:"Put a queued mail back before an approver."`
	Cancel mailCancelCmd `cmd:"" help:"Withdraw a mail that is not on its way yet."`
	Retry  mailRetryCmd  `cmd:"" help:"Attempt a queued mail now."`
}

type mailListCmd struct {
	State   string `help:"Only this state." placeholder:"STATE"`
	Mailbox string `help:"Only this mailbox." placeholder:"ADDR"`
	All     bool   `help:"Every page, not only the first hundred."`
}

func (m mailListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		items := []api.Mail{}
		q := api.MailQuery{State: m.State, Mailbox: m.Mailbox, Limit: page}
		for {
			l, err := api.Call(e.ctx, c, api.ListMails, q)
			if err != nil {
				return err
			}
			items = append(items, l.Mails...)
			if q.Cursor = l.Cursor; q.Cursor == "" || !m.All {
				break
			}
		}
		if q.Cursor != "" {
			fmt.Fprintln(e.stderr, "There are more: --all shows every page.")
		}
		return printList(e, items, "ID\tSTATE\tAGENT\tFROM\tSUBJECT\tSUBMITTED", func(x api.Mail) []string {
			return []string{x.ID, standing(x), x.Agent, x.From, cut(x.Subject, 40), short(x.SubmittedAt)}
		})
	})
}

type mailShowCmd struct {
	ID string `arg:"" help:"Id of the mail."`
}

func (m mailShowCmd) Run(e *environment) error {
	return show(e, api.GetMail, api.MailRef{ID: m.ID}, e.mail)
}

type mailHoldCmd struct {
	ID string `arg:"" help:"Id of the mail."`
}

func (m mailHoldCmd) Run(e *environment) error {
	return show(e, api.HoldMail, api.MailRef{ID: m.ID}, e.mail)
}

type mailCancelCmd struct {
	ID string `arg:"" help:"Id of the mail."`
}

func (m mailCancelCmd) Run(e *environment) error {
	return show(e, api.CancelMail, api.MailRef{ID: m.ID}, e.mail)
}

type mailRetryCmd struct {
	ID string `arg:"" help:"Id of the mail."`
}

func (m mailRetryCmd) Run(e *environment) error {
	return show(e, api.RetryMail, api.MailRef{ID: m.ID}, e.mail)
}

// mail prints the standing of one mail.
func (e *environment) mail(m api.Mail) error {
	p := newPrinter(e.out)
	p.field("Mail", m.ID)
	p.field("State", fmt.Sprintf("%s (rev %d)", m.State, m.Rev))
	if m.WaitsFor != "" {
		p.field("Waits", m.WaitsFor)
	}
	p.field("Digest", m.Digest)
	p.field("From", m.From)
	p.field("Subject", m.Subject)
	for _, r := range m.Recipients {
		p.field("Recipient", fmt.Sprintf("%s %s %d %s %s", r.Address, r.Status, r.Code, r.Enhanced, r.Message))
	}
	p.field("Basis", m.Basis)
	p.field("Attempts", fmt.Sprintf("%d, next %s", m.Attempts, short(m.NextAttemptAt)))
	for _, d := range m.Decisions {
		p.field("Decision", fmt.Sprintf("%s by %s at %s %s", d.Verdict, d.By, short(d.At), d.Reason))
	}
	return p.err
}

type freezeCmd struct {
	Scope  string `arg:"" optional:"" help:"all, agent:NAME, mailbox:ADDRESS or domain:DOMAIN; or none: list the freezes."`
	Reason string `help:"Goes to the audit log." placeholder:"TEXT"`
}

func (f freezeCmd) Run(e *environment) error {
	if f.Scope == "" {
		return list(e, api.ListFreezes, api.None{}, func(all api.Freezes) []api.Freeze { return all.Freezes },
			"SCOPE\tBY\tREASON\tSINCE",
			func(f api.Freeze) []string { return []string{f.Scope, f.By, f.Reason, short(f.At)} })
	}
	return show(e, api.StartFreeze, api.ScopeRequest{Scope: f.Scope, Reason: f.Reason},
		func(s api.Stopped) error { return e.stopped(f.Scope+" is frozen", s) })
}

// stopped says what a stop met.
func (e *environment) stopped(what string, s api.Stopped) error {
	err := e.line("%s; %d under way stopped, %d were already past their final dot", what, len(s.Stopped), len(s.Past))
	if err != nil {
		return err
	}
	for _, id := range s.Past {
		if err := e.line("past: %s", id); err != nil {
			return err
		}
	}
	return nil
}

type thawCmd struct {
	Scope string `arg:"" help:"The scope of the freeze."`
}

func (t thawCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		if _, err := api.Call(e.ctx, c, api.EndFreeze, api.ScopeRequest{Scope: t.Scope}); err != nil {
			return err
		}
		return e.print(api.ScopeRequest{Scope: t.Scope}, func() error { return e.line("%s is thawed", t.Scope) })
	})
}

// standing is the state of a mail, or that its record cannot be read.
func standing(m api.Mail) string {
	switch {
	case m.Damaged:
		return "damaged"
	case m.WaitsFor != "":
		return m.State + ", " + m.WaitsFor
	}
	return m.State
}
