package gate

import (
	"context"
	"errors"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// cancelPage is how many mails of a deleted mailbox are listed at a time.
const cancelPage = 100

// DeleteMailbox ends a mailbox and withdraws the mail that waits there. When it returns
// nothing of it can send a final dot any more (invariant 11). Should it fail halfway, the
// mailbox is read_only all the same: what is left of its mail never leaves, and expires.
func (g *Gate) DeleteMailbox(ctx context.Context, p registry.Principal, box mail.Address) (FreezeReport, error) {
	scope := covers(registry.FreezeScope{Kind: "mailbox", Name: box.String()})
	report, err := g.tighten(ctx, p, "mailbox.delete", scope, func(tx store.Tx, p registry.Principal) error {
		return g.reg.DeleteMailbox(tx, p, box)
	})
	if err != nil {
		return report, err
	}
	return report, g.withdrawAll(ctx, p, box)
}

// withdrawAll cancels the mail of a mailbox that has not ended, newest first.
func (g *Gate) withdrawAll(ctx context.Context, p registry.Principal, box mail.Address) error {
	var before mail.ID
	for {
		var page []queue.Listed
		err := g.db.View(ctx, func(tx store.Tx) (err error) {
			page, err = g.q.ByMailbox(tx, box, mail.Outgoing, before, cancelPage)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, l := range page {
			before = l.ID
			if l.Mail == nil || l.Mail.State != mail.Held && l.Mail.State != mail.Ready {
				continue
			}
			if err := g.withdraw(ctx, p, l.ID); err != nil && !errors.Is(err, mail.ErrStale) {
				return err
			}
		}
	}
}

// withdraw cancels a mail because its mailbox ended.
func (g *Gate) withdraw(ctx context.Context, p registry.Principal, id mail.ID) error {
	return g.update(ctx, func(tx store.Tx) error {
		m, err := g.q.Load(tx, id)
		if err != nil {
			return err
		}
		facts, err := g.Facts(tx, m)
		if err != nil {
			return err
		}
		by := p.Signed(audit.Record{})
		out, err := g.move(tx, m, queue.Change{Event: step.Cancel, Facts: facts, Actor: by.Actor, Private: by.Private})
		if err != nil {
			return err
		}
		return explain(out.Answer, m)
	})
}
