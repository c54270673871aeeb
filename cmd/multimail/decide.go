package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

type pendingCmd struct {
	All   bool `help:"Every page, not only the first hundred."`
	Watch bool `help:"Go on and print what arrives."`
	Spam  bool `help:"Quarantined mail instead of held mail."`
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
			fmt.Fprintln(e.stderr, "There are more: --all shows every page.")
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
		l, err := api.Call(e.ctx, c, api.ListPending, api.PendingQuery{Limit: page, Cursor: cursor, Spam: p.Spam})
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
			fmt.Fprintln(e.stderr, "Nothing waits for a decision.")
			return nil
		}
		rows := make([][]string, 0, len(items))
		for _, m := range items {
			if m.Damaged {
				rows = append(rows, []string{m.ID, "", "damaged", "", "", "", "its record cannot be read", ""})
				continue
			}
			rows = append(rows, []string{m.ID, way(m.Direction), m.Digest[:min(12, len(m.Digest))], author(m), m.From,
				recipients(m), cut(m.Subject, 40), short(m.ExpiresAt)})
		}
		for _, m := range items {
			if m.WaitsFor != "" {
				fmt.Fprintf(e.stderr, "What is approved waits: %s. See multimail domain verify.\n", printable(m.WaitsFor))
				break
			}
		}
		return e.table("ID\tWAY\tDIGEST\tBY\tFROM\tTO\tSUBJECT\tEXPIRES", rows)
	})
}

// way is the direction of a mail in a column.
func way(direction string) string {
	if direction == "inbound" {
		return "in"
	}
	return "out"
}

// author is the agent that wrote a mail. Of incoming mail it says how far the sender is
// shown to be who it claims, and what a filter made of it.
func author(m api.Pending) string {
	if m.Arrived == nil {
		return m.Agent
	}
	s := "sender unproven"
	if a := m.Arrived.Authentication; a != nil && a.DMARC == "pass" {
		s = "sender proven"
	}
	if m.Spam != nil && m.Spam.Verdict != api.SpamClean {
		s += ", " + m.Spam.Verdict
	}
	return s
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
		if r.Auto {
			address += " (the operator's copy)"
		}
		all = append(all, address)
	}
	if n := max(m.RecipientCount, len(all)); n > 3 {
		all = all[:min(2, len(all))]
		return fmt.Sprintf("%s and %d more", joined(all), n-len(all))
	}
	return joined(all)
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

type approveCmd struct {
	IDs    []string `arg:"" name:"id" help:"Ids of held mail."`
	Digest string   `help:"Digest that was shown; for one mail." placeholder:"HEX"`
	Yes    bool     `short:"y" help:"Do not ask: take the digest that is read now."`
	Reason string   `help:"Goes to the audit log." placeholder:"TEXT"`
}

// Validate refuses what cannot be meant.
func (a approveCmd) Validate() error {
	if a.Digest == "" {
		return nil
	}
	if len(a.IDs) != 1 {
		return errors.New("--digest names one mail: give one ID")
	}
	_, err := mail.ParseDigest(a.Digest)
	if err != nil {
		return errors.New("--digest: a digest is 64 lowercase hex digits")
	}
	return nil
}

// outcome is the line or object for one of several decisions.
type outcome struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"`
	State  string `json:"state,omitempty"`
	Digest string `json:"digest,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (a approveCmd) Run(e *environment) error { return a.run(e, decided) }

// run asks about each mail and carries the decision out by means of carry.
func (a approveCmd) run(e *environment, carry carrier) error {
	if a.Digest == "" && !a.Yes && !e.asks(e.in) {
		return usageError{hinted{errors.New("nobody is there to ask"), "give --digest D, or --yes to take what is read now"}}
	}
	in := bufio.NewReader(e.in)
	return e.decide(a.IDs, carry, func(c *api.Client, id string) (api.DecideRequest, error) {
		v := api.DecideRequest{EmailID: id, Action: "approve", Digest: a.Digest, Reason: a.Reason}
		if a.Digest != "" {
			return v, nil
		}
		r, err := api.Call(e.ctx, c, api.ReviewEmail, api.MailRef{ID: id})
		if err != nil {
			return v, err
		}
		v.Digest = r.Digest
		if a.Yes {
			return v, nil
		}
		if err := errors.Join(printReview(e.stderr, r, false), printQuestion(e.stderr, r)); err != nil {
			return v, err
		}
		answer, err := in.ReadString('\n')
		if strings.TrimSpace(answer) != "yes" {
			return v, errors.Join(errors.New("not approved"), err)
		}
		return v, nil
	})
}

type rejectCmd struct {
	IDs    []string `arg:"" name:"id" help:"Ids of held mail."`
	Reason string   `help:"The agent reads it in its notice." placeholder:"TEXT"`
	Digest string   `help:"Digest that was shown; for one mail." placeholder:"HEX"`
}

// Validate refuses what cannot be meant.
func (r rejectCmd) Validate() error { return approveCmd{IDs: r.IDs, Digest: r.Digest}.Validate() }

func (r rejectCmd) Run(e *environment) error {
	return e.decide(r.IDs, decided, func(_ *api.Client, id string) (api.DecideRequest, error) {
		return api.DecideRequest{EmailID: id, Action: "reject", Digest: r.Digest, Reason: r.Reason}, nil
	})
}

// carrier carries a decision out.
type carrier func(*environment, *api.Client, api.DecideRequest) (status, state string, err error)

// decided decides over a mail that waits.
func decided(e *environment, c *api.Client, v api.DecideRequest) (status, state string, err error) {
	d, err := api.Call(e.ctx, c, api.DecideEmail, v)
	return d.Status, d.State, err
}

// decide makes one decision after the other; one that fails hides none of the
// others.
func (e *environment) decide(
	ids []string, carry carrier, request func(*api.Client, string) (api.DecideRequest, error),
) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var failed error
	outcomes := make([]outcome, 0, len(ids))
	for _, id := range ids {
		o := outcome{ID: id}
		v, err := request(c, id)
		if err == nil {
			o.Status, o.State, err = carry(e, c, v)
			o.Digest = v.Digest
		}
		if err = e.explain(err); err != nil {
			o.Error = err.Error()
			if len(ids) > 1 {
				fmt.Fprintf(e.stderr, "%s: %s\n", printable(id), printable(o.Error))
				err = errors.New("not every mail was decided; see the lines above")
			}
			failed = err
		} else if !e.globals.JSON {
			if err := e.line("%s %s", printable(id), o); err != nil {
				return err
			}
		}
		outcomes = append(outcomes, o)
	}
	if e.globals.JSON {
		if err := e.json(outcomes); err != nil {
			return err
		}
	}
	return failed
}

func (o outcome) String() string { return o.Status + " (" + o.State + ")" }

// terminal reports whether somebody sits at the other end.
func terminal(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0 && fi.Name() != "null"
}

func splitLines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }
