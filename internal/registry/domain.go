package registry

import (
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Domain is a sending domain of the operator.
type Domain struct {
	Name      string    `json:"name"` // lower case
	CreatedAt time.Time `json:"created_at"`
}

// AddDomain adds a sending domain. Admins and the socket may.
func (r *Registry) AddDomain(tx store.Tx, actor Principal, name string) (Domain, error) {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return Domain{}, err
	}
	name, err = mail.ParseDomain(name)
	if err != nil {
		return Domain{}, err
	}
	if _, ok, err := get[Domain](tx, domainKey+name); err != nil {
		return Domain{}, err
	} else if ok {
		return Domain{}, in(ErrExists, "domain %s is here already", name)
	}
	d := Domain{Name: name, CreatedAt: tx.Now()}
	if err := put(tx, domainKey+name, d); err != nil {
		return Domain{}, err
	}
	return d, r.note(tx, p, audit.DomainAdd, details{"domain": name}, nil)
}

// Domain returns a sending domain, or ErrNotFound.
func (r *Registry) Domain(tx store.Tx, name string) (Domain, error) {
	name, err := mail.ParseDomain(name)
	if err != nil {
		return Domain{}, err
	}
	d, ok, err := get[Domain](tx, domainKey+name)
	if err == nil && !ok {
		err = in(ErrNotFound, "domain %s is not one of ours; add it first", name)
	}
	return d, err
}

// Domains returns every sending domain by name.
func (r *Registry) Domains(tx store.Tx) ([]Domain, error) { return list[Domain](tx, domainKey) }
