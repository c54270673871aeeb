package gate

import (
	"errors"
	"fmt"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// An edit of a scheduled mail is a mail of its own in its place: bytes are never rewritten
// (invariant 3), and what was decided was decided over other ones.

// replaceable refuses a submission in the place of a mail that is not its author's, or does not
// wait for its time.
func (g *Gate) replaceable(tx store.Tx, p registry.Principal, s Submission) error {
	if s.Replaces == "" {
		return nil
	}
	_, err := g.replaced(tx, p, s)
	return err
}

func (g *Gate) replaced(tx store.Tx, p registry.Principal, s Submission) (*mail.Mail, error) {
	m, err := g.q.Load(tx, s.Replaces)
	switch {
	case errors.Is(err, mail.ErrNotFound):
		return nil, mail.ErrNotFound.Errorf("no such mail")
	case err != nil:
		return nil, err
	case m.Direction != mail.Outgoing || m.Agent != p.Agent || m.Mailbox.Key() != s.Mailbox.Key():
		return nil, mail.ErrNotFound.Errorf("no such mail")
	case m.ReplacedBy != "":
		return nil, stale("the mail was replaced by %s; edit that one", m.ReplacedBy)
	case m.State != mail.Ready || m.Attempts > 0 || !tx.Now().Before(m.NotBefore):
		return nil, stale("only a mail that is scheduled for later is edited; cancel this one and send it anew")
	}
	return m, nil
}

// replace withdraws the mail in whose place another one comes, in the same transaction.
// Who submitted the old one counts as a submitter of the new one (invariant 4).
func (g *Gate) replace(tx store.Tx, p registry.Principal, s Submission, by *mail.Mail) error {
	if s.Replaces == "" {
		return nil
	}
	m, err := g.replaced(tx, p, s)
	if err != nil {
		return err
	}
	by.Earlier = m.Submitters()
	facts, err := g.Facts(tx, m)
	if err != nil {
		return fmt.Errorf("gate: replace %s: %w", m.ID, err)
	}
	signed := p.Signed(audit.Record{})
	out, err := g.move(tx, m, queue.Change{
		Event: step.Cancel, Facts: facts, Actor: signed.Actor, Private: signed.Private,
		Extra: map[string]string{"replaced_by": string(by.ID)},
		Apply: func(m *mail.Mail, _ audit.Ref) { m.ReplacedBy = by.ID },
	})
	if err != nil {
		return err
	}
	return explain(out.Answer, m)
}
