package main

import (
	"fmt"
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
			if m.Damaged {
				rows = append(rows, []string{m.ID, "damaged", "", "", "", "its record cannot be read", ""})
				continue
			}
			rows = append(rows, []string{m.ID, m.Digest[:min(12, len(m.Digest))], m.Agent, m.From, recipients(m),
				cut(m.Subject, 40), short(m.ExpiresAt)})
		}
		return e.table("ID\tDIGEST\tAGENT\tFROM\tTO\tSUBJECT\tEXPIRES", rows)
	})
}

// recipients shows who gets it, whatever the header says: the daemon names
// those that the header hides first, so that no long list of others hides them.
func recipients(m api.Pending) string {
	var all []string
	for _, r := range m.Recipients {
		address := r.Address
		if r.Hidden {
			address += " (bcc)"
		}
		all = append(all, address)
	}
	if n := max(m.RecipientCount, len(all)); n > 3 {
		all = all[:min(2, len(all))]
		return fmt.Sprintf("%s and %d more", list(all), n-len(all))
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
