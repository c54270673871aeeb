package gate

import (
	"context"
	"fmt"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// LabelSpam is the word of a reader who takes a mail for spam, LabelClean that of who
// releases it.
const (
	LabelSpam  = "spam"
	LabelClean = "not_spam"
)

// ReportSpam quarantines a received mail: its reader takes it for spam. From then on only
// an approver lets the mailbox see it again. A mail that the mailbox does not show is
// mail.ErrNotFound.
func (g *Gate) ReportSpam(ctx context.Context, p registry.Principal, id mail.ID) (*mail.Mail, error) {
	oversight := false
	m, err := g.change(ctx, p, id, func(tx store.Tx, p registry.Principal, m *mail.Mail, c *queue.Change) error {
		oversight = p.Has(registry.ScopeOversight)
		may := p.Has(registry.ScopeSend) || oversight
		if m.Direction != mail.Incoming || !p.Covers(m.Mailbox) || !m.Visible() {
			return fmt.Errorf("gate: report %s: %w", id, mail.ErrNotFound)
		}
		if !may {
			return errKey
		}
		c.Event = step.Report
		c.Apply = func(m *mail.Mail, _ audit.Ref) {
			label(m, LabelSpam)
			m.ExpiresAt = tx.Now().Add(m.HoldFor).UTC()
		}
		return nil
	})
	if err == nil && oversight {
		g.learn(id, true)
	}
	return m, err
}

// learn passes on what an approver says. What an agent says is not learnt: the mail that
// it reads could talk it into teaching the filter anything.
func (g *Gate) learn(id mail.ID, spam bool) {
	if g.o.Learn != nil {
		g.o.Learn(id, spam)
	}
}

// label keeps a reader's word beside the judgement of the filter.
func label(m *mail.Mail, word string) {
	s := mail.Spam{Verdict: mail.SpamClean}
	if m.Spam != nil {
		s = *m.Spam
	}
	s.Label = word
	m.Spam = &s
}

// Erase takes the bytes of a mail for which nothing is waited, and what is personal in its
// record. A stub stays, for the log to agree with. Under a legal hold it is refused.
func (g *Gate) Erase(ctx context.Context, id mail.ID) error {
	return g.update(ctx, func(tx store.Tx) error {
		m, err := g.q.Load(tx, id)
		if err != nil {
			return err
		}
		facts, err := g.Facts(tx, m)
		if err != nil {
			return err
		}
		out, err := g.move(tx, m, queue.Change{Event: step.Erase, Facts: facts, Actor: audit.System})
		if err != nil {
			return err
		}
		return explain(out.Answer, m)
	})
}
