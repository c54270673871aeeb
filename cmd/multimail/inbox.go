package main

import (
	"errors"
	"fmt"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

type inboxCmd struct {
	List    inboxListCmd    `cmd:"" help:"List what a mailbox has received, newest first."`
	Show    inboxShowCmd    `cmd:"" help:"Show a mail as its agent reads it."`
	Search  inboxSearchCmd  `cmd:"" help:"Find mail of a mailbox by its words, newest first."`
	Spam    inboxSpamCmd    `cmd:"" help:"List received mail that is flagged or in quarantine."`
	Release inboxReleaseCmd `cmd:"" help:"Let held or quarantined mail into its mailbox, and call flagged mail clean."`
	Reindex inboxReindexCmd `cmd:"" help:"Make the search index anew from the mail."`
}

// inboxFlags choose mail of a mailbox.
type inboxFlags struct {
	Status  string `help:"Only this status." placeholder:"STATUS"`
	Sender  string `help:"Only senders that hold this text." placeholder:"TEXT"`
	Subject string `help:"Only subjects that hold this text." placeholder:"TEXT"`
	Since   string `help:"Only what came in from this time or day on." placeholder:"TIME"`
	Before  string `help:"Only what came in before this time or day." placeholder:"TIME"`
	All     bool   `help:"Every page, not only the first hundred."`
}

type inboxListCmd struct {
	Mailbox string `arg:"" help:"Address of the mailbox; also postmaster@ and abuse@ of a domain."`
	inboxFlags
}

func (l inboxListCmd) Run(e *environment) error {
	return e.inbox(api.EmailQuery{MailboxRef: api.MailboxRef{Mailbox: l.Mailbox}, Status: l.Status, Sender: l.Sender,
		SubjectContains: l.Subject, DateAfter: l.Since, DateBefore: l.Before, Direction: "inbound", Limit: page}, l.All)
}

// inbox lists what a query chooses.
func (e *environment) inbox(q api.EmailQuery, all bool) error {
	return e.withClient(func(c *api.Client) error {
		items := []api.Summary{}
		for {
			l, err := api.Call(e.ctx, c, api.CheckInbox, q)
			if err != nil {
				return err
			}
			items = append(items, l.Emails...)
			if q.Cursor = l.Cursor; q.Cursor == "" || !all {
				break
			}
		}
		e.more(q.Cursor)
		return printList(e, items, "ID\tSTATUS\tFROM\tSUBJECT\tFILES\tRECEIVED", func(m api.Summary) []string {
			return []string{m.ID, inboxStatus(m), sender(m), cut(m.Subject, 40), yes(m.HasAttachments), short(m.ReceivedAt)}
		})
	})
}

// more says that there are further pages.
func (e *environment) more(cursor string) {
	if cursor != "" {
		fmt.Fprintln(e.stderr, "There are more: --all shows every page.")
	}
}

// inboxStatus is the standing of a received mail, or that its record cannot be read.
func inboxStatus(m api.Summary) string {
	switch {
	case m.Damaged:
		return "damaged"
	case m.SpamVerdict != "" && m.SpamVerdict != api.SpamClean:
		return m.Status + ", " + m.SpamVerdict
	}
	return m.Status
}

// sender shows a name behind the address, which is what was checked.
func sender(m api.Summary) string {
	if m.FromName == "" {
		return m.From
	}
	return fmt.Sprintf("%s (%s)", m.From, cut(m.FromName, 30))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

type inboxShowCmd struct {
	Mailbox string `arg:"" help:"Address of the mailbox."`
	ID      string `arg:"" help:"Id of the mail."`
}

func (s inboxShowCmd) Run(e *environment) error {
	return show(e, api.ReadEmail,
		api.EmailRequest{EmailRef: api.EmailRef{MailboxRef: api.MailboxRef{Mailbox: s.Mailbox}, Email: s.ID}}, e.email)
}

// email prints a mail of a mailbox. Each line of its text stands behind a bar, so that
// none can pass for a line of this page.
func (e *environment) email(m api.Email) error {
	p := newPrinter(e.out)
	p.field("Mail", m.ID)
	p.field("Status", inboxStatus(m.Summary))
	p.field("Thread", m.ThreadID)
	p.field("From", sender(m.Summary))
	p.field("To", joined(m.To))
	if len(m.Cc) > 0 {
		p.field("Cc", joined(m.Cc))
	}
	if len(m.ReplyTo) > 0 {
		p.field("Reply-To", joined(m.ReplyTo))
	}
	if m.Elsewhere {
		p.field("WARNING", "answers go to another organisation than the sender's")
	}
	if a := m.Authentication; a != nil {
		p.authentication(a)
	}
	for _, w := range m.Warnings {
		p.field("WARNING", w)
	}
	p.field("Received", short(m.ReceivedAt))
	p.field("Subject", m.Subject)
	for _, f := range m.Attachments {
		p.field("Attachment", fmt.Sprintf("%s  %s, %d octets", f.Name, f.ContentType, f.Size))
	}
	p.line("")
	for _, l := range splitLines(m.Text) {
		p.behind("| ", "+ ", l)
	}
	return p.err
}

func (p *printer) authentication(a *api.Authentication) { p.field("Checks", checks(a)) }

// checks says what was found of a sender.
func checks(a *api.Authentication) string {
	return fmt.Sprintf("dmarc %s, dkim %s, spf %s, arc %s, identity %s", a.DMARC, a.DKIM, a.SPF, a.ARC, a.Identity)
}

type inboxSpamCmd struct {
	All bool `help:"Every page, not only the first hundred."`
}

func (s inboxSpamCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		items := []api.SpamMail{}
		q := api.SpamQuery{Limit: page}
		for {
			l, err := api.Call(e.ctx, c, api.ListSpam, q)
			if err != nil {
				return err
			}
			items = append(items, l.Emails...)
			if q.Cursor = l.Cursor; q.Cursor == "" || !s.All {
				break
			}
		}
		e.more(q.Cursor)
		return printList(e, items, "ID\tSTATUS\tSCORE\tMAILBOX\tFROM\tSUBJECT\tWHY", func(m api.SpamMail) []string {
			return []string{m.ID, m.Status, fmt.Sprintf("%.1f", m.SpamScore), m.MailboxID, sender(m.Summary), cut(m.Subject, 40),
				cut(joined(m.Reasons), 60)}
		})
	})
}

type inboxReleaseCmd struct{ approveCmd }

func (r inboxReleaseCmd) Run(e *environment) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	shown := map[string]bool{} // by its mailbox already
	for _, id := range r.IDs { // what leaves is approved, not released
		m, err := api.Call(e.ctx, c, api.ReviewEmail, api.MailRef{ID: id})
		if err != nil {
			return e.explain(err)
		}
		if m.Direction != "inbound" {
			return hinted{errors.New("this mail would leave; it does not come in"), "multimail approve decides over it"}
		}
		shown[id] = m.State == mail.Received.String()
	}
	return r.run(e, func(e *environment, c *api.Client, v api.DecideRequest) (status, state string, err error) {
		if !shown[v.EmailID] {
			return decided(e, c, v)
		}
		out, err := api.Call(e.ctx, c, api.ClearSpam, api.SpamRelease{ID: v.EmailID, Digest: v.Digest, Reason: v.Reason})
		return out.UserLabel, out.Status, err
	})
}
