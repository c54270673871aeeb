package gate

import (
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// What an agent is told whose mailbox has too much waiting.
var (
	errHeldSize = mail.ReasonMailboxFull.Errorf("this mailbox has too many octets waiting for a decision; " +
		"have held mail decided, or cancel some, then send again").Over(mail.LimitHeldSize)
	errHeldCount = mail.ReasonMailboxFull.Errorf("this mailbox has too many mails waiting for a decision; " +
		"have held mail decided, or cancel some, then send again").Over(mail.LimitHeldCount)
	errBacklogSize = mail.ReasonMailboxFull.Errorf("this mailbox has too many octets waiting to be sent; " +
		"wait until they have left, or cancel some, then send again").Over(mail.LimitBacklogSize)
	errBacklogCount = mail.ReasonMailboxFull.Errorf("this mailbox has too many mails waiting to be sent; " +
		"wait until they have left, or cancel some, then send again").Over(mail.LimitBacklogCount)
)

// fits refuses a new mail beyond what its mailbox may have waiting where this
// one would wait. Only what comes in is refused: an approval or a hold of a
// mail that is here already never fails for it.
func (g *Gate) fits(tx store.Tx, m *mail.Mail, facts step.Facts) error {
	facts.State, facts.Basis = mail.New, m.Basis
	to := step.Step(facts, step.Submit).State
	maxCount, maxSize, errCount, errSize := g.o.HeldCount, g.o.HeldSize, errHeldCount, errHeldSize
	switch to {
	case mail.Held, mail.Quarantined:
		if m.Direction == mail.Incoming { // a stranger is told of no decision
			errCount, errSize = errQuotaCount.Over(mail.LimitHeldCount), errQuotaSize.Over(mail.LimitHeldSize)
		}
	case mail.Ready:
		maxCount, maxSize, errCount, errSize = g.o.BacklogCount, g.o.BacklogSize, errBacklogCount, errBacklogSize
	default:
		return nil // the step refuses it
	}
	t, err := g.q.Tally(tx, m.Mailbox, m.Direction, to)
	switch {
	case err != nil:
		return err
	case t.Count >= maxCount:
		return errCount
	case t.Octets+m.Size > maxSize:
		return errSize
	}
	return nil
}
