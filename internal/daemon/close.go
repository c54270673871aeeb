package daemon

import (
	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// endings are what ends with a closed account beside what the registry knows: webhooks, and
// OAuth clients.
func (d *Daemon) endings() []gate.Closing {
	return []gate.Closing{
		func(tx store.Tx, _ int) (int, error) { return d.hooks.EndClosed(tx) },
		func(tx store.Tx, limit int) (int, error) {
			if d.granter == nil {
				return 0, nil
			}
			return d.granter.EndClosed(tx, limit)
		},
	}
}

// forget erases contacts of a mailbox, each with an entry.
func (d *Daemon) forget(tx store.Tx, box mail.Address, limit int) (n int, err error) {
	all, err := d.inbox.Contacts(tx, box, "")
	for _, c := range all {
		if err != nil || n >= limit {
			break
		}
		if _, err = d.inbox.DeleteContact(tx, box, c.ID); err == nil {
			_, err = d.audit.Append(tx, audit.Record{Kind: audit.ContactDelete, Actor: audit.System,
				Private: map[string]string{"mailbox": box.String(), "address": c.Address.String()}})
		}
		n++
	}
	return n, err
}
