package registry

import (
	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Operator is the accountable organisation that runs this installation.
type Operator struct {
	Name      string       `json:"name"`
	Oversight mail.Address `json:"oversight"`        // where copies of monitored mail go
	Postal    string       `json:"postal,omitempty"` // address on one line, for whoever asks
}

// Operator returns the operator, the zero Operator while none is set.
func (r *Registry) Operator(tx store.Tx) (Operator, error) {
	o, _, err := get[Operator](tx, operatorKey)
	return o, err
}

// SetOperator names the operator. The name and the postal address are for admins; the first
// oversight address too, but moving one that is set takes the copies away from whoever
// reads them and is loosening.
func (r *Registry) SetOperator(tx store.Tx, actor Principal, o Operator) error {
	p, err := r.authorize(tx, actor, either(configure, release))
	if err != nil {
		return err
	}
	if err := checkText("name of the operator", o.Name, 128); err != nil {
		return err
	}
	if err := checkText("postal address of the operator", o.Postal, 2000); err != nil {
		return err
	}
	if o.Name == "" {
		return in(ErrInvalid, "the operator needs a name")
	}
	before, err := r.Operator(tx)
	if err != nil || before == o {
		return err
	}
	if (before.Name != o.Name || before.Postal != o.Postal) && !configure(p) {
		return in(ErrForbidden, "the name and the postal address of the operator are set by an admin")
	}
	moved := before.Oversight != o.Oversight
	if moved {
		if err := r.notOurs(tx, o.Oversight, errOverseen(o.Oversight)); err != nil {
			return err
		}
	}
	if moved && !before.Oversight.IsZero() && !release(p) {
		return errLoosen("another oversight address")
	}
	if err := put(tx, operatorKey, o); err != nil {
		return err
	}
	return r.policy(tx, p, audit.OperatorSet, details{
		"operator": o.Name, "oversight": changed(moved),
	}, details{"oversight": o.Oversight.String(), "physical_address": o.Postal})
}

// Oversight returns the address that gets copies of monitored mail from the
// mailbox: its own, or else the operator's. It may be zero.
func (r *Registry) Oversight(tx store.Tx, mailbox mail.Address) (mail.Address, error) {
	m, err := r.Mailbox(tx, mailbox)
	if err != nil || !m.Oversight.IsZero() {
		return m.Oversight, err
	}
	o, err := r.Operator(tx)
	return o.Oversight, err
}

// changed words a fact.
func changed(b bool) string {
	if b {
		return "changed"
	}
	return "same"
}
