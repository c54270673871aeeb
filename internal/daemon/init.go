package daemon

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// InitOptions are what a data directory begins with.
type InitOptions struct {
	Data      string // the directory; made if it is not there
	Node      string // name of the node; "" mints one
	Operator  string
	Domain    string
	Oversight mail.Address
	Approver  string

	// SaveKey keeps the key of the approver. It is called before anything is
	// committed, and its error undoes everything: no key is stored that nobody has.
	SaveKey func(key string) error
}

// InvalidError is a value from which no data directory can be made.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

// Init makes a data directory that New opens: database, keys, operator, domain
// and the first approver. It returns the domain with the DNS records to
// publish. A directory that is in use stays as it is.
func Init(ctx context.Context, o InitOptions) (api.Domain, error) {
	if err := sign.CheckBudget(o.Domain, "postmaster@"+o.Domain, o.Operator, ""); err != nil {
		return api.Domain{}, &InvalidError{err.Error()}
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return api.Domain{}, err
	}
	db, err := bolt.Open(bolt.Options{Dir: o.Data, Create: true})
	if err != nil {
		return api.Domain{}, err
	}
	dom, err := o.fill(ctx, db)
	var wrong *mail.Error
	if errors.As(err, &wrong) && errors.Is(err, registry.ErrInvalid) {
		err = &InvalidError{wrong.Public} // without its kind
	}
	return dom, errors.Join(err, db.Close())
}

func (o InitOptions) fill(ctx context.Context, db store.Store) (api.Domain, error) {
	identity, signing := sign.OpenKeys(o.Data), dkim.OpenKeys(o.Data, dkim.Options{})
	now := time.Now()
	if err := errors.Join(identity.Ensure(o.Domain, now), signing.Ensure(o.Domain, now)); err != nil {
		return api.Domain{}, err
	}
	node, err := nodeName(ctx, o.Data, o.Node, db)
	if err != nil {
		return api.Domain{}, &InvalidError{err.Error()}
	}
	reg := registry.New(audit.New(node), time.Duration(config.Default().Queue.Hold))
	err = db.Update(ctx, func(tx store.Tx) error { return o.register(tx, reg) })
	if err != nil {
		return api.Domain{}, err
	}
	return records(identity, signing, o.Domain)
}

// register writes the first records.
func (o InitOptions) register(tx store.Tx, reg *registry.Registry) error {
	me := registry.Socket(os.Getuid(), false)
	if op, err := reg.Operator(tx); err != nil {
		return err
	} else if op.Name != "" {
		return errors.New("this data directory is in use already")
	}
	if err := reg.SetOperator(tx, me, registry.Operator{Name: o.Operator, Oversight: o.Oversight}); err != nil {
		return err
	}
	if _, err := reg.AddDomain(tx, me, o.Domain); err != nil {
		return err
	}
	_, key, err := reg.AddKey(tx, me, registry.KeyRequest{
		Name: o.Approver, Kind: registry.KindApprover, Owner: o.Approver,
		Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead},
	})
	if err != nil {
		return err
	}
	return o.SaveKey(key)
}

// records returns a domain as `domain records` will show it.
func records(identity *sign.Keyring, signing *dkim.Keyring, domain string) (api.Domain, error) {
	d := api.Domain{Name: domain}
	name, txt, err := identity.DNS(domain)
	if err != nil {
		return d, err
	}
	d.DNS = append(d.DNS, api.Record{Type: "TXT", Name: name, Value: txt})
	list, err := signing.Records(domain)
	for _, r := range list {
		d.DNS = append(d.DNS, api.Record{Type: "TXT", Name: r.Name, Value: r.TXT})
	}
	return d, err
}
