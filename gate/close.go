package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Closed is what became of an account that was closed.
type Closed struct {
	At time.Time
	// Kept are the mailboxes under a legal hold: what they have is erased once it is lifted.
	Kept []mail.Address
	// Past are mails that had been allowed their final dot before.
	Past []mail.ID
}

// Closing ends up to limit records that other packages keep for an account, and returns how
// many it ended: 0 once none is left. It is called again until then.
type Closing func(tx store.Tx, limit int) (int, error)

// Forget erases up to limit records of persons that a mailbox keeps, and returns how many it
// erased: 0 once none is left.
type Forget func(tx store.Tx, box mail.Address, limit int) (int, error)

// CloseAccount closes the account for good. When it returns no door takes mail and nothing
// can send a final dot any more (invariant 11). What is left of the account is ended, and its
// contents are erased, by Run: a crash delays that, and nothing else. Closing twice tells
// how it stands.
func (g *Gate) CloseAccount(ctx context.Context, p registry.Principal) (c Closed, err error) {
	all := covers(registry.FreezeScope{Kind: registry.FreezeAll})
	report, err := g.tighten(ctx, p, "account.close", all, g.reg.CloseAccount)
	c.Past = report.Past
	if err != nil {
		return c, err
	}
	select {
	case g.closed <- struct{}{}:
	default: // it is told already
	}
	return c, g.db.View(ctx, func(tx store.Tx) error {
		closure, _, err := g.reg.Closed(tx)
		if err != nil {
			return err
		}
		boxes, err := g.reg.Keepers(tx)
		c.At, c.Kept = closure.At, nil
		for _, b := range boxes {
			if b.LegalHold {
				c.Kept = append(c.Kept, b.Address)
			}
		}
		return err
	})
}

// FinishClosing ends what a closed account has left, and erases what its mailboxes keep: a
// bounded part of it, and at most retainBatch records in a transaction. more says that it has
// more to do. While the account is open it does nothing.
func (g *Gate) FinishClosing(ctx context.Context) (more bool, err error) {
	closed := false
	err = g.db.View(ctx, func(tx store.Tx) (err error) {
		_, closed, err = g.reg.Closed(tx)
		return err
	})
	if err != nil || !closed {
		return false, err
	}
	left := retainPass
	for _, end := range append([]Closing{g.reg.EndClosed}, g.o.Closing...) {
		if err := g.endAll(ctx, end, &left); err != nil {
			return true, err
		}
	}
	for _, kind := range []struct {
		d mail.Direction
		s mail.State
	}{
		{mail.Outgoing, mail.Held}, {mail.Outgoing, mail.Ready}, {mail.Incoming, mail.Held},
		{mail.Incoming, mail.Quarantined},
	} {
		if err := g.cancelAll(ctx, kind.d, kind.s, &left); err != nil {
			return true, err
		}
	}
	boxes, err := g.keepers(ctx)
	if err != nil {
		return true, err
	}
	for _, box := range boxes {
		if box.LegalHold {
			continue
		}
		if err := g.eraseMailbox(ctx, box.Address, &left); err != nil {
			return true, err
		}
	}
	return left < retainPass, nil
}

// endAll calls end, batch by batch, until it has nothing to do or the pass has done enough.
func (g *Gate) endAll(ctx context.Context, end Closing, left *int) error {
	for *left > 0 && ctx.Err() == nil {
		n := 0
		err := g.update(ctx, func(tx store.Tx) (err error) {
			n, err = end(tx, min(retainBatch, *left))
			return err
		})
		if *left -= n; err != nil || n == 0 {
			return err
		}
		g.nodes.NotePolicy()
	}
	return nil
}

// cancelAll cancels mail of one direction and state, oldest first. One that an attempt has
// is left for the next pass.
func (g *Gate) cancelAll(ctx context.Context, d mail.Direction, s mail.State, left *int) error {
	var after mail.ID
	for *left > 0 && ctx.Err() == nil {
		var last mail.ID
		n := 0
		err := g.update(ctx, func(tx store.Tx) error {
			last, n = "", 0
			list, err := g.q.InState(tx, d, s, after, min(retainBatch, *left))
			for _, l := range list {
				if last = l.ID; err != nil || l.Mail == nil {
					continue
				}
				var done bool
				if done, err = g.step(tx, l.ID, step.Cancel); done {
					n++
				}
			}
			return err
		})
		if *left -= n; err != nil || last == "" {
			return err
		}
		after = last
	}
	return nil
}

// eraseMailbox erases what a mailbox keeps: mail that is over, oldest first, and its contacts.
func (g *Gate) eraseMailbox(ctx context.Context, box mail.Address, left *int) error {
	var after mail.ID
	for *left > 0 && ctx.Err() == nil {
		var last mail.ID
		n := 0
		err := g.update(ctx, func(tx store.Tx) error {
			last, n = "", 0
			list, err := g.q.Kept(tx, box, after, min(retainBatch, *left))
			for _, l := range list {
				if last = l.ID; err != nil {
					break
				}
				var done bool
				if done, err = g.step(tx, l.ID, step.Erase); done {
					n++
				}
			}
			return err
		})
		if *left -= n; err != nil {
			return err
		}
		if last == "" {
			break
		}
		after = last
	}
	if g.o.Forget == nil {
		return nil
	}
	return g.endAll(ctx, func(tx store.Tx, limit int) (int, error) { return g.o.Forget(tx, box, limit) }, left)
}

// step makes a step of a mail that nobody in particular asks for, if its state lets it. A
// damaged record is left as it is.
func (g *Gate) step(tx store.Tx, id mail.ID, e step.Event) (bool, error) {
	m, err := g.q.Load(tx, id)
	if errors.Is(err, mail.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		g.o.Log.Error("damaged record", "mail", id, "err", err)
		return false, nil
	}
	facts, err := g.Facts(tx, m)
	if err != nil {
		return false, err
	}
	out, err := g.move(tx, m, queue.Change{Event: e, Facts: facts, Actor: audit.System})
	if err != nil {
		err = fmt.Errorf("gate: %s %s: %w", e, id, err)
	}
	return out.Answer == step.Done, err
}
