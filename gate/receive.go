package gate

import (
	"fmt"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// receive puts a mail for a mailbox of this installation, held or received as the
// mode of the mailbox says. From then on it is decided, expired and listed by the
// same code as mail that was submitted.
func (g *Gate) receive(tx store.Tx, m *mail.Mail, raw store.Staged) error {
	facts, err := g.Facts(tx, m)
	if err != nil {
		return err
	}
	c := queue.Change{
		Event: step.Submit, Facts: facts, Actor: audit.System,
		Apply: func(m *mail.Mail, ref audit.Ref) {
			m.SubmitRef = ref.String()
			if m.State == mail.Held {
				m.ExpiresAt = expiry(tx.Now(), m)
			}
		},
	}
	if n := m.Notice; n != nil {
		c.Extra = map[string]string{"about": string(n.About), "action": n.Action}
	}
	out, err := g.q.Put(tx, m, raw, c)
	switch {
	case err != nil:
		return err
	case out.Answer == step.Frozen:
		return errFrozen
	case out.Answer != step.Done:
		return fmt.Errorf("gate: receive %s: %s", m.ID, out.Answer)
	}
	return nil
}
