package main

import (
	"fmt"
	"io"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

type pendingCmd struct {
	All   bool `help:"Every page, not only the first hundred."`
	Watch bool `help:"Go on and print what arrives."`
}

const (
	page       = 100
	watchEvery = 2 * time.Second
)

func (p pendingCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		items, more, err := p.read(e, c)
		if err != nil {
			return err
		}
		if err := p.print(e, items, true); err != nil {
			return err
		}
		if more {
			fmt.Fprintln(e.talk, "There are more: --all shows every page.")
		}
		if p.Watch {
			return p.watch(e, c, items)
		}
		return nil
	})
}

func (p pendingCmd) read(e *environment, c *api.Client) (items []api.Pending, more bool, err error) {
	items = []api.Pending{}
	cursor := ""
	for {
		l, err := c.Pending(e.ctx, page, cursor)
		if err != nil {
			return nil, false, err
		}
		items = append(items, l.Emails...)
		if cursor = l.Cursor; cursor == "" || !p.All && !p.Watch {
			return items, cursor != "", nil
		}
	}
}

func (p pendingCmd) print(e *environment, items []api.Pending, head bool) error {
	return e.print(items, func() error {
		if len(items) == 0 && head {
			fmt.Fprintln(e.talk, "Nothing waits for a decision.")
			return nil
		}
		rows := make([][]string, 0, len(items))
		for _, m := range items {
			rows = append(rows, []string{m.ID, m.Digest[:min(12, len(m.Digest))], m.Agent, m.From, recipients(m),
				cut(m.Subject, 40), short(m.ExpiresAt)})
		}
		return e.table("ID\tDIGEST\tAGENT\tFROM\tTO\tSUBJECT\tEXPIRES", rows)
	})
}

// recipients shows who gets it, the hidden ones marked.
func recipients(m api.Pending) string {
	var all []string
	for _, b := range m.Bcc { // first, so that no long list of others hides them
		all = append(all, b+" (bcc)")
	}
	all = append(append(all, m.To...), m.Cc...)
	if len(all) > 3 {
		return fmt.Sprintf("%s and %d more", list(all[:2]), len(all)-2)
	}
	return list(all)
}

// watch prints what was not there before until it is interrupted.
func (p pendingCmd) watch(e *environment, c *api.Client, seen []api.Pending) error {
	known := map[string]bool{}
	for _, m := range seen {
		known[m.ID] = true
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return nil
		case <-tick.C:
		}
		items, _, err := p.read(e, c)
		if err != nil {
			if e.ctx.Err() != nil {
				return nil
			}
			return err
		}
		var fresh []api.Pending
		for _, m := range items {
			if !known[m.ID] {
				known[m.ID] = true
				fresh = append(fresh, m)
			}
		}
		if len(fresh) > 0 {
			if err := p.print(e, fresh, false); err != nil {
				return err
			}
		}
	}
}

type showCmd struct {
	ID  string `arg:"" help:"Id of the mail."`
	Raw bool   `help:"The bytes as they would be sent, without stamps."`
}

func (s showCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		if s.Raw {
			b, err := c.Raw(e.ctx, s.ID)
			if err == nil {
				_, err = e.out.Write(b)
			}
			return err
		}
		r, err := c.Review(e.ctx, s.ID)
		if err != nil {
			return err
		}
		return e.print(r, func() error { return printReview(e.out, r) })
	})
}

// printReview shows everything an approver must see, the envelope first: who
// gets it is what counts, whatever the header says.
func printReview(w io.Writer, r api.Review) error {
	p := newPrinter(w)
	p.field("Mail", r.ID)
	p.field("Digest", r.Digest)
	p.field("State", fmt.Sprintf("%s (rev %d)", r.State, r.Rev))
	agent := r.Agent
	if r.AgentRef != "" {
		agent += " (" + r.AgentRef + ")"
	}
	p.field("Agent", agent)
	p.field("Mailbox", fmt.Sprintf("%s, mode %s, by %s", r.Mailbox, r.Mode, r.Door))
	p.field("Submitted", short(r.SubmittedAt))
	if !r.ExpiresAt.IsZero() {
		p.field("Expires", short(r.ExpiresAt))
	}
	if !r.SendAt.IsZero() {
		p.field("Send at", short(r.SendAt))
	}
	for _, rc := range r.Recipients {
		mark := ""
		if rc.Copy {
			mark = "  (copy to the oversight address)"
		} else if rc.Hidden {
			mark = "  (BCC: To and Cc do not name it)"
		}
		p.field("Recipient", rc.Address+mark)
	}
	p.line("")
	p.header(r)
	p.body(r)
	for _, d := range r.Decisions {
		p.field("Decision", fmt.Sprintf("%s by %s at %s %s", d.Verdict, d.By, short(d.At), d.Reason))
	}
	return p.err
}

func (p *printer) header(r api.Review) {
	for _, f := range []struct {
		name string
		list []string
	}{
		{"From", r.Header.From}, {"Sender", r.Header.Sender}, {"To", r.Header.To}, {"Cc", r.Header.Cc},
		{"Reply-To", r.Header.ReplyTo}, {"Receipt to", r.Header.ReceiptTo},
	} {
		if len(f.list) > 0 {
			p.field(f.name, list(f.list))
		}
	}
	p.field("Subject", r.Subject)
}

func (p *printer) body(r api.Review) {
	if r.Differ {
		p.line("THE TEXT AND THE HTML SAY DIFFERENT WORDS.")
	}
	p.segments(r.Segments)
	for _, l := range r.Links {
		p.field("Link", l)
	}
	for _, part := range r.Parts {
		if !part.Attachment && part.Reviewable {
			continue
		}
		what := "Attachment"
		if !part.Attachment {
			what = "Part"
		}
		name := part.Name
		if name == "" {
			name = "part " + part.Path
		}
		p.field(what, fmt.Sprintf("%s  %s, %d octets, sha256 %s", name, part.Type, part.Size, part.SHA256))
		if !part.Reviewable {
			p.field("", "NOT REVIEWABLE: "+part.Why)
		}
	}
	p.line("")
}
