package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Agents are made with their first token at most so often.
const (
	provisionEvery = 6 * time.Second
	provisionBurst = 10
)

// Provision makes the agent of a token that the configuration allows it for, with a
// binding and a mailbox, unless its identity is bound. The mailbox is gated_send, as
// every new one, and the agent has no password. An identity that was ever bound is
// not made again: whoever unbinds an agent means it. What cannot be made is
// ErrCredentials, and changes nothing; fits refuses an address that cannot be sent from.
func (r *Registry) Provision(tx store.Tx, t Token, fits func(store.Tx, mail.Address) error) error {
	if err := r.lets(tx); err != nil {
		return err
	}
	if known, err := r.known(tx, t); err != nil || known {
		return err
	}
	addr, err := mail.ParseAddress(t.Mailbox)
	if err != nil || t.Shape != ShapeAutonomous {
		return ErrCredentials.Because(err)
	}
	if err := fits(tx, addr); err != nil {
		return ErrCredentials.Because(err)
	}
	by := Principal{Kind: "system", Name: "provision", UID: -1}
	name := t.Issuer + "-" + t.Object
	q := BindingRequest{Kind: KindAgent, Owner: name, Issuer: t.Issuer, Tenant: t.Tenant, Object: t.Object,
		Scopes: KindAgent.Usual()}
	err = q.check()
	if err == nil {
		err = r.addAgent(tx, by, name, t.Object)
	}
	if err == nil {
		_, err = r.addMailbox(tx, by, addr, []string{name})
	}
	if err == nil {
		_, err = r.addBinding(tx, by, q)
	}
	if refused := new(mail.Error); errors.As(err, &refused) { // a domain that is not here, a name that is taken
		return ErrCredentials.Because(err)
	}
	return err
}

// known reports whether the identity of a token is bound, or ever was.
func (r *Registry) known(tx store.Tx, t Token) (bool, error) {
	if _, bound, err := get[string](tx, boundAt(t.Issuer, t.Tenant, t.Object)); bound || err != nil {
		return bound, err
	}
	all, err := r.Bindings(tx)
	return slices.ContainsFunc(all, func(b Binding) bool {
		return b.Issuer == t.Issuer && b.Tenant == t.Tenant &&
			slices.Contains([]string{b.Object, b.Client, b.Account}, t.Object)
	}), err
}

// provision makes the agent of a token if that is allowed and it is not there.
func (a *Authenticator) provision(ctx context.Context, t Token) error {
	if t.Mailbox == "" || a.fits == nil {
		return nil
	}
	known := false
	err := a.db.View(ctx, func(tx store.Tx) (err error) {
		known, err = a.registry.known(tx, t)
		return err
	})
	if err != nil || known {
		return err
	}
	if !a.made.Allow() {
		return mail.ErrUnavailable.Errorf("too many new agents at a time; try again later")
	}
	return a.db.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return a.registry.Provision(tx, t, a.fits) })
}

// Provision lets first tokens make agents and mailboxes where a rule of the issuer names an
// address; fits refuses one that no mail could be sent from. It must be called before the
// first login.
func (a *Authenticator) Provision(fits func(store.Tx, mail.Address) error) { a.fits = fits }
