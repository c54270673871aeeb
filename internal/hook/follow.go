package hook

import (
	"context"
	"errors"
	"slices"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// batch is how many entries one transaction turns into deliveries.
const batch = 100

// skip sets the cursors of all chains to their ends.
func skip(tx store.Tx) error {
	chains, err := audit.Chains(tx)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		end, err := audit.Size(tx, chain)
		if err == nil {
			err = put(tx, cursorKey+chain, end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// follow turns what the log has got into deliveries, and reports whether there may be more.
func (h *Hooks) follow(ctx context.Context) (more bool, err error) {
	var behind []string
	err = h.o.Store.View(ctx, func(tx store.Tx) error {
		behind = nil
		all, err := h.List(tx)
		if err != nil || !slices.ContainsFunc(all, Subscription.Active) {
			return err // nobody listens: the next one begins at the end
		}
		chains, err := audit.Chains(tx)
		for _, chain := range chains {
			at, end, err := place(tx, chain)
			if err != nil {
				return err
			}
			if at < end {
				behind = append(behind, chain)
			}
		}
		return err
	})
	for _, chain := range behind {
		var left bool
		err = errors.Join(err, h.update(ctx, func(tx store.Tx) (err error) {
			left, err = h.take(tx, chain)
			return err
		}))
		more = more || left
	}
	return more, err
}

// place returns the number of the next entry of a chain that is not followed yet, and of the
// first that does not exist. A chain that is new since the first subscription begins at 0.
func place(tx store.Tx, chain string) (at, end uint64, err error) {
	if err = get(tx, cursorKey+chain, &at); errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return 0, 0, err
	}
	end, err = audit.Size(tx, chain)
	return at, end, err
}

// take turns entries of a chain into deliveries and moves the cursor behind them.
func (h *Hooks) take(tx store.Tx, chain string) (more bool, err error) {
	at, end, err := place(tx, chain)
	if err != nil || at >= end {
		return false, err
	}
	entries, err := audit.Since(tx, chain, at, batch)
	if err != nil {
		return false, err
	}
	all, err := h.List(tx)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.Damaged {
			h.o.Log.Error("webhooks pass over a damaged entry", "chain", chain, "seq", e.Seq())
			continue
		}
		for i := range all {
			if err := h.offer(tx, &all[i], e); err != nil {
				return false, err
			}
		}
	}
	for _, s := range all {
		if err := put(tx, subscriptionKey+s.ID, s); err != nil {
			return false, err
		}
	}
	next := min(at+batch, end)
	return next < end, put(tx, cursorKey+chain, next)
}

// offer queues the events of an entry that a subscription listens for. Whether its owner may
// see them is asked here, so that nothing is queued for nobody, and again at each attempt.
func (h *Hooks) offer(tx store.Tx, s *Subscription, e audit.Entry) error {
	if !s.Active() || e.Time().Before(s.CreatedAt) {
		return nil
	}
	r := e.Record()
	for _, event := range eventsOf(r) {
		if !slices.Contains(s.Events, event) || !s.Active() {
			continue
		}
		d := Delivery{ID: string(mail.NewID(tx.Now())), Webhook: s.ID, Event: event, Chain: e.Chain(), Seq: e.Seq(),
			Mail: mail.ID(r.Mail), At: e.Time(), CreatedAt: tx.Now()}
		ok, err := h.wanted(tx, *s, d, r)
		if err != nil {
			return err
		}
		if ok {
			if err := h.queue(tx, s, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted reports whether an event is one that the subscription and the rights of its owner
// let through now.
func (h *Hooks) wanted(tx store.Tx, s Subscription, d Delivery, r audit.Record) (bool, error) {
	rights, err := h.o.Rights(tx, s.Owner)
	switch {
	case errors.Is(err, ErrGone):
		return true, nil // the attempt finds out, and ends the subscription
	case err != nil:
		return false, err
	case d.Event == PolicyChanged:
		box, _ := mail.ParseAddress(r.Private["mailbox"])
		return rights.hears(d.Event) && (s.Mailbox.IsZero() || s.Mailbox.Key() == box.Key()), nil
	}
	m, err := h.o.Mail(tx, d.Mail)
	switch {
	case errors.Is(err, mail.ErrNotFound):
		return false, nil
	case err != nil: // a record that cannot be read keeps no other event from its way
		return true, nil
	}
	return rights.sees(d.Event, m) && (s.Mailbox.IsZero() || s.Mailbox.Key() == m.Mailbox.Key()), nil
}
