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
	"github.com/multimail/multimail/internal/resolver"
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
	Internal  bool // the domain sends without being verified

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
	var domain registry.Domain
	err = db.Update(ctx, func(tx store.Tx) (err error) {
		domain, err = o.register(tx, reg)
		return err
	})
	if err != nil {
		return api.Domain{}, err
	}
	return records(identity, signing, domain)
}

// register writes the first records. It is the new approver who pins the domain.
func (o InitOptions) register(tx store.Tx, reg *registry.Registry) (d registry.Domain, err error) {
	me := registry.Socket(os.Getuid(), false)
	if op, err := reg.Operator(tx); err != nil {
		return d, err
	} else if op.Name != "" {
		return d, errors.New("this data directory is in use already")
	}
	if err := reg.SetOperator(tx, me, registry.Operator{Name: o.Operator, Oversight: o.Oversight}); err != nil {
		return d, err
	}
	if d, err = reg.AddDomain(tx, me, o.Domain); err != nil {
		return d, err
	}
	_, key, err := reg.AddKey(tx, me, registry.KeyRequest{
		Name: o.Approver, Kind: registry.KindApprover, Owner: o.Approver,
		Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead},
	})
	if err != nil {
		return d, err
	}
	if o.Internal {
		p, err := reg.ByKey(tx, key)
		if err != nil {
			return d, err
		}
		if d, err = reg.PinDomain(tx, p, o.Domain); err != nil {
			return d, err
		}
	}
	return d, o.SaveKey(key)
}

// records returns a domain as `domain records` will show it, but for what depends
// on a configuration.
func records(identity *sign.Keyring, signing *dkim.Keyring, d registry.Domain) (api.Domain, error) {
	c := config.Default()
	names, err := resolver.New(resolver.Options{Timeout: time.Duration(c.DNS.Timeout)})
	if err != nil {
		return api.Domain{}, err
	}
	list, err := newZones(identity, signing, names, zoneSettings(c)).Records(d.Name, d.Challenge)
	out := api.Domain{Name: d.Name, Status: "unverified", CreatedAt: d.CreatedAt}
	if d.Internal {
		out.Status, out.Internal = "internal", true
	}
	for _, r := range list {
		out.DNS = append(out.DNS, api.Record{Purpose: string(r.Purpose), Type: r.Type, Name: r.Name, Value: r.Value})
	}
	return out, err
}
