package gate

import (
	"context"
	"errors"
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

// ClearSpam calls a mail clean that a filter or a reader took for spam: an approver's
// word, which names what was seen. Out of quarantine it is let in, as by Decide; mail that
// its mailbox shows stays where it is.
func (g *Gate) ClearSpam(ctx context.Context, p registry.Principal, id mail.ID, v Decision) (m *mail.Mail, err error) {
	v.Approve = true
	a := Restricted{Op: opDecide, Mail: id, facts: map[string]string{"event": step.Clear.String()}}
	err = g.Guard(ctx, p, a, func(ctx context.Context) error {
		m, err = g.clearShown(ctx, p, id, v)
		if errors.Is(err, errWaits) {
			m, err = g.Decide(ctx, p, id, v)
		}
		return err
	})
	return m, err
}

// errWaits: the mail waits for a decision.
var errWaits = errors.New("gate: the mail is in quarantine")

func (g *Gate) clearShown(ctx context.Context, p registry.Principal, id mail.ID, v Decision) (*mail.Mail, error) {
	if v.Digest == "" {
		return nil, errNoDigest
	}
	if len(v.Reason) > maxReason {
		return nil, errReason
	}
	m, err := g.change(ctx, p, id, func(tx store.Tx, p registry.Principal, m *mail.Mail, c *queue.Change) error {
		if !p.Has(registry.ScopeOversight) || !p.Covers(m.Mailbox) {
			return errScope
		}
		switch {
		case m.Direction == mail.Incoming && m.State == mail.Quarantined:
			return errWaits
		case m.Direction == mail.Outgoing || m.State != mail.Received || !Suspect(m):
			return stale("the mail is neither in quarantine nor flagged")
		}
		self, err := g.submitted(tx, p, m)
		if err != nil {
			return err
		}
		c.Event, c.Facts.Self, c.Facts.Match = step.Clear, self, v.Digest == m.Digest
		c.Private["reason"] = v.Reason
		c.Apply = func(m *mail.Mail, _ audit.Ref) { label(m, LabelClean) }
		return nil
	})
	if err == nil {
		g.learn(id, false)
	}
	return m, err
}

// Suspect reports whether a filter or a reader takes a mail for unwanted, and no approver
// has called it clean.
func Suspect(m *mail.Mail) bool {
	return m.Spam != nil && m.Spam.Verdict != mail.SpamClean && m.Spam.Label != LabelClean
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
