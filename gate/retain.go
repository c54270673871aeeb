package gate

import (
	"cmp"
	"context"
	"errors"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// What one pass and one transaction of an erasure may do.
const (
	retainBatch = 50
	retainPass  = 1000
)

// Retain erases what was kept long enough, a bounded number at once, unless the clock is
// in doubt: what was thrown away, what no mailbox got, what is older than the retention of
// its mailbox, and the oldest of what is too much. A mailbox under a legal hold loses
// nothing.
func (g *Gate) Retain(ctx context.Context) error {
	if !g.o.Trusted() {
		return nil
	}
	left := retainPass
	for _, find := range []func(store.Tx, int) ([]mail.ID, error){g.thrown, g.refusedIn} {
		if err := g.eraseAll(ctx, find, &left); err != nil {
			return err
		}
	}
	boxes, err := g.keepers(ctx)
	if err != nil {
		return err
	}
	for _, box := range boxes {
		if box.LegalHold {
			continue
		}
		for _, find := range []func(store.Tx, int) ([]mail.ID, error){g.aged(box), g.excess(box)} {
			if err := g.eraseAll(ctx, find, &left); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepers lists every mailbox that mail can be in, the operator's own included.
func (g *Gate) keepers(ctx context.Context) (boxes []registry.Mailbox, err error) {
	err = g.db.View(ctx, func(tx store.Tx) error {
		if boxes, err = g.reg.Keepers(tx); err != nil {
			return err
		}
		domains, err := g.reg.Domains(tx)
		for _, d := range domains {
			for _, name := range registry.Reserved {
				a, aerr := mail.ParseAddress(name + "@" + d.Name)
				if err = errors.Join(err, aerr); err != nil {
					return err
				}
				box, rerr := g.reg.Receives(tx, a)
				if err = rerr; err != nil {
					return err
				}
				boxes = append(boxes, box)
			}
		}
		return err
	})
	return boxes, err
}

// thrown finds what readers threw away long ago. It walks on from pass to pass, since
// what a legal hold keeps stays in the list.
func (g *Gate) thrown(tx store.Tx, limit int) (ids []mail.ID, err error) {
	if g.o.Trash == nil {
		return nil, nil
	}
	ids, g.trash, err = g.o.Trash.ThrownBefore(tx, tx.Now().Add(-g.o.TrashAfter), g.trash, limit)
	return ids, err
}

// refusedIn finds incoming mail that ended long ago without its mailbox getting it.
func (g *Gate) refusedIn(tx store.Tx, limit int) (ids []mail.ID, err error) {
	ids, g.ended, err = g.q.Refused(tx, tx.Now().Add(-g.o.TrashAfter), g.ended, limit)
	return ids, err
}

// aged finds what is older than the retention of a mailbox.
func (g *Gate) aged(box registry.Mailbox) func(store.Tx, int) ([]mail.ID, error) {
	keep := cmp.Or(box.Retention, g.o.Retention)
	return func(tx store.Tx, limit int) (ids []mail.ID, err error) {
		if keep <= 0 {
			return nil, nil
		}
		list, err := g.q.Kept(tx, box.Address, "", limit)
		for _, l := range list {
			if l.ID.Time().After(tx.Now().Add(-keep)) {
				break
			}
			ids = append(ids, l.ID)
		}
		return ids, err
	}
}

// excess finds the oldest of what a mailbox has received beyond what it keeps.
func (g *Gate) excess(box registry.Mailbox) func(store.Tx, int) ([]mail.ID, error) {
	return func(tx store.Tx, limit int) (ids []mail.ID, err error) {
		sum, err := g.q.Tally(tx, box.Address, mail.Incoming, mail.Received)
		if err != nil || sum.Octets <= g.o.RetentionSize {
			return nil, err
		}
		list, err := g.q.Oldest(tx, box.Address, limit)
		for _, l := range list {
			if sum.Octets <= g.o.RetentionSize || l.Mail == nil {
				break
			}
			sum.Octets -= l.Mail.Size
			ids = append(ids, l.ID)
		}
		return ids, err
	}
}

// eraseAll erases what find finds, batch by batch, until it finds nothing that can be
// erased or the pass has done enough.
func (g *Gate) eraseAll(ctx context.Context, find func(store.Tx, int) ([]mail.ID, error), left *int) error {
	for *left > 0 && ctx.Err() == nil {
		n := 0
		found := 0
		err := g.update(ctx, func(tx store.Tx) error {
			n = 0
			ids, err := find(tx, min(retainBatch, *left))
			found = len(ids)
			for _, id := range ids {
				if err != nil {
					break
				}
				var done bool
				if done, err = g.step(tx, id, step.Erase); done {
					n++
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if *left -= max(n, 1); n > 0 {
			g.o.Log.Info("erased", "mails", n)
		}
		if n == 0 || found < retainBatch {
			return nil
		}
	}
	return nil
}
