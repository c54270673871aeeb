package gate

import (
	"context"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// errSuppressed names the address, and what to do.
func errSuppressed(e bounce.Entry) error {
	why := "it cannot be delivered to"
	if e.Reason == bounce.Complaint {
		why = "its reader complained"
	}
	return mail.ReasonSuppressed.Errorf("%s is on the suppression list of this mailbox: %s; "+
		"leave it out, or ask an approver to take it off the list", e.Address, why)
}

// suppress keeps the mailbox of a mail from sending to a recipient again. The oversight
// address is never kept from its copies.
func (g *Gate) suppress(tx store.Tx, m *mail.Mail, rc mail.Rcpt, why bounce.Reason) error {
	if rc.Watches() {
		return nil
	}
	e := bounce.Entry{Address: rc.Addr, Mailbox: m.Mailbox, Reason: why, About: m.ID}
	if why == bounce.HardBounce && rc.Result != nil {
		e.Code = rc.Result.Enhanced
	}
	added, err := bounce.Add(tx, e)
	if err != nil || !added {
		return err
	}
	g.o.Log.Info("suppressed", "mail", m.ID, "rcpt", rc.Addr.String(), "reason", why)
	r := suppression(audit.SuppressAdd, e)
	r.Actor = audit.System
	_, err = g.log.Append(tx, r)
	return err
}

// suppression is the entry about a change of the list.
func suppression(k audit.Kind, e bounce.Entry) audit.Record {
	return audit.Record{Kind: k, Mail: string(e.About),
		Facts:   map[string]string{"reason": string(e.Reason), "code": e.Code},
		Private: map[string]string{"address": e.Address.String(), "mailbox": e.Mailbox.String()}}
}

// suppressRefused suppresses the recipients that an attempt found not to be there. A refusal
// of several recipients at once may be about any of them, or about the mail.
func (g *Gate) suppressRefused(tx store.Tx, m *mail.Mail, before []mail.Rcpt) error {
	for i, r := range m.Envelope.Rcpts {
		now := i >= len(before) || before[i].Standing != r.Standing
		if !now || r.Standing != mail.Bounced || r.Result == nil || !r.Result.Alone || !r.Result.Hard() {
			continue
		}
		if err := g.suppress(tx, m, r, bounce.HardBounce); err != nil {
			return err
		}
	}
	return nil
}

// reachable refuses a recipient that the mailbox may not send to.
func (g *Gate) reachable(tx store.Tx, mailbox mail.Address, to []mail.Address) error {
	for _, a := range to {
		e, found, err := bounce.Find(tx, mailbox, a)
		if err != nil {
			return err
		}
		if found {
			return errSuppressed(e)
		}
	}
	return nil
}

// AdmitRecipient says whether mail of a mailbox may go to an address. A door that learns of
// recipients one by one asks for each, so that one that is refused does not cost the others
// their mail; Submit asks again. Admit has passed p for from.
func (g *Gate) AdmitRecipient(ctx context.Context, p registry.Principal, from, to mail.Address, codes Codes) error {
	err := g.db.View(ctx, func(tx store.Tx) error {
		return g.reachable(tx, from, []mail.Address{to})
	})
	if err != nil {
		g.refused(ctx, p, from, codes, err)
	}
	return answer(err)
}

// Suppressed returns a page of the suppression lists of the mailboxes that p covers; see
// bounce.Page.
func (g *Gate) Suppressed(
	ctx context.Context, p registry.Principal, cursor string, limit int,
) (page []bounce.Entry, next string, err error) {
	err = g.db.View(ctx, func(tx store.Tx) (err error) {
		page, next, err = bounce.Page(tx, cursor, limit, p.Covers)
		return err
	})
	return page, next, answer(err)
}

// errUnsuppress is for whoever may not loosen.
var errUnsuppress = mail.ReasonScope.Errorf("taking an address off the suppression list loosens; ask an approver")

// Unsuppress lets the mailboxes that p covers send to an address again. It is loosening.
func (g *Gate) Unsuppress(ctx context.Context, p registry.Principal, to mail.Address) error {
	return g.set(ctx, p, "suppression.rm", func(tx store.Tx, p registry.Principal) error {
		if !registry.CanLoosen(p) {
			return errUnsuppress
		}
		gone, err := bounce.Remove(tx, to, p.Covers)
		if err == nil && len(gone) == 0 {
			err = errNotSuppressed
		}
		for _, e := range gone {
			if err == nil {
				_, err = g.log.Append(tx, p.Signed(suppression(audit.SuppressRemove, e)))
			}
		}
		return err
	})
}

var errNotSuppressed = mail.ErrNotFound.Errorf("this address is on no suppression list that you may change")
