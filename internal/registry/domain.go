package registry

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Domain is a sending domain of the operator, with what the DNS last said of it.
type Domain struct {
	Name      string    `json:"name"` // lower case
	CreatedAt time.Time `json:"created_at"`

	Challenge string `json:"challenge,omitempty"` // of this installation and domain, random
	Internal  bool   `json:"internal,omitempty"`  // sends without being verified

	CheckedAt  time.Time  `json:"checked_at,omitzero"`  // last, whatever came of it
	VerifiedAt time.Time  `json:"verified_at,omitzero"` // last time that it was found to be ours
	FailedAt   time.Time  `json:"failed_at,omitzero"`   // first time since that it was found not to be
	UnpinnedAt time.Time  `json:"unpinned_at,omitzero"` // last time that it ceased to be internal
	Assumed    bool       `json:"assumed,omitempty"`    // VerifiedAt is the time of an upgrade; nothing was found yet
	Stated     bool       `json:"stated,omitempty"`     // the newest entry about it says verified
	Records    []Standing `json:"records,omitempty"`    // as of CheckedAt
}

// Standing is what the DNS said of one record.
type Standing struct {
	Purpose string `json:"purpose"`
	Name    string `json:"name"`
	Status  string `json:"status"`
}

// VerifiedLife is how long a domain counts as verified after it was found to be ours.
const VerifiedLife = 72 * time.Hour

// Verified reports whether a check found the domain to be ours within
// VerifiedLife of now. A time that far ahead is of a clock that was wrong, and
// counts as little as one long past.
func (d Domain) Verified(now time.Time) bool { return d.counts(now) && !d.Assumed }

// MaySend reports whether mail of the domain may be released.
func (d Domain) MaySend(now time.Time) bool { return d.Internal || d.counts(now) }

func (d Domain) counts(now time.Time) bool {
	return !d.VerifiedAt.IsZero() && now.Sub(d.VerifiedAt).Abs() < VerifiedLife
}

// VerifiedUntil returns when the domain ceases to count as verified, unless a check finds
// it to be ours again; zero if it never was.
func (d Domain) VerifiedUntil() (end time.Time) {
	if !d.VerifiedAt.IsZero() {
		end = d.VerifiedAt.Add(VerifiedLife)
	}
	return end
}

// StoppedSince returns since when a domain whose mail may not be released has
// been one.
func (d Domain) StoppedSince() time.Time {
	at := d.CreatedAt
	if end := d.VerifiedUntil(); end.After(at) {
		at = end
	}
	if d.UnpinnedAt.After(at) {
		at = d.UnpinnedAt
	}
	return at
}

// TakesBounces reports whether mail of the domain may leave with an envelope sender of its
// bounce subdomain: the last check found a host that takes mail there, and nothing wrong
// with its SPF record. A next hop may refuse a sender that is not in the DNS. What is
// internal has no DNS to ask.
func (d Domain) TakesBounces() bool {
	mx := false
	for _, r := range d.Records {
		switch {
		case r.Purpose == "bounce-mx":
			mx = mx || r.Status == "present"
		case r.Purpose == "bounce-spf" && r.Status != "present":
			return d.Internal
		}
	}
	return mx || d.Internal
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
	d := Domain{Name: name, CreatedAt: tx.Now(), Challenge: newChallenge()}
	if err := put(tx, domainKey+name, d); err != nil {
		return Domain{}, err
	}
	return d, r.note(tx, p, audit.DomainAdd, details{"domain": name}, nil)
}

// newChallenge has 130 random bits in letters and digits.
func newChallenge() string { return strings.ToLower(rand.Text()) }

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

// RemoveDomain removes a domain that no mailbox uses. Its keys stay where they
// are. Admins and the socket may.
func (r *Registry) RemoveDomain(tx store.Tx, actor Principal, name string) error {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return err
	}
	d, err := r.Domain(tx, name)
	if err != nil {
		return err
	}
	boxes, err := r.Keepers(tx) // what a deleted one keeps needs its domain
	if err != nil {
		return err
	}
	for _, m := range boxes {
		if m.Address.Domain() == d.Name {
			return in(ErrExists, "mailbox %s is on this domain; only a domain without mailboxes is removed", m.Address)
		}
	}
	if err := space.Delete(tx, domainKey+d.Name); err != nil {
		return err
	}
	return r.note(tx, p, audit.DomainRemove, details{"domain": d.Name}, nil)
}

// PinDomain lets a domain send without being verified. It is loosening: whoever
// receives its mail cannot see whose it is.
func (r *Registry) PinDomain(tx store.Tx, actor Principal, name string) (Domain, error) {
	p, err := r.authorize(tx, actor, either(configure, release))
	if err != nil {
		return Domain{}, err
	}
	if !release(p) {
		return Domain{}, errLoosen("pinning a domain as internal")
	}
	return r.setInternal(tx, p, name, true)
}

// UnpinDomain ends what PinDomain did.
func (r *Registry) UnpinDomain(tx store.Tx, actor Principal, name string) (Domain, error) {
	p, err := r.authorize(tx, actor, stop)
	if err != nil {
		return Domain{}, err
	}
	return r.setInternal(tx, p, name, false)
}

func (r *Registry) setInternal(tx store.Tx, p Principal, name string, internal bool) (Domain, error) {
	d, err := r.Domain(tx, name)
	if err != nil || d.Internal == internal {
		return d, err
	}
	kind := audit.DomainPin
	if d.Internal = internal; !internal {
		d.UnpinnedAt, kind = tx.Now(), audit.DomainUnpin
	}
	if err := put(tx, domainKey+d.Name, d); err != nil {
		return d, err
	}
	return d, r.policy(tx, p, kind, details{"domain": d.Name}, nil)
}

// Finding is what a check of a domain came to.
type Finding uint8

// The findings.
const (
	FoundNothing Finding = iota // no usable answer
	FoundOurs
	FoundNotOurs
)

// DomainCheck is what the DNS said of a domain.
type DomainCheck struct {
	Challenge string // that was looked for
	Finding   Finding
	Records   []Standing
}

// checker signs the entries about what the DNS says.
var checker = Principal{Kind: "system", Name: "dns"}

// NoteCheck keeps what a check has found. Only a finding that the domain is ours
// counts for longer than the one before; whether it is found not to be, or
// nothing is found, it ends with VerifiedLife. There is an entry when the domain
// becomes verified, when it fails for the first time, and when its time is over.
// A check of another challenge, or of a domain that is gone, changes nothing.
func (r *Registry) NoteCheck(tx store.Tx, name string, c DomainCheck) error {
	d, ok, err := get[Domain](tx, domainKey+name)
	if err != nil || !ok || d.Challenge != c.Challenge {
		return err
	}
	now := tx.Now()
	d.CheckedAt, d.Records = now, c.Records
	failed := false
	switch c.Finding {
	case FoundOurs:
		d.VerifiedAt, d.FailedAt, d.Assumed = now, time.Time{}, false
	case FoundNotOurs:
		if failed = d.FailedAt.IsZero(); failed {
			d.FailedAt = now
		}
	}
	stated := d.Stated
	d.Stated = d.Verified(now)
	if err := put(tx, domainKey+name, d); err != nil {
		return err
	}
	if failed {
		if err := r.note(tx, checker, audit.DomainFail, details{"domain": name}, nil); err != nil {
			return err
		}
	}
	switch {
	case d.Stated && !stated:
		return r.policy(tx, checker, audit.DomainVerify, details{"domain": name}, nil)
	case stated && !d.Stated:
		return r.policy(tx, checker, audit.DomainLapse, details{"domain": name}, nil)
	}
	return nil
}

// AdoptDomains gives the domains of a store that was made before there were
// checks their challenge, and VerifiedLife from now to pass one.
func (r *Registry) AdoptDomains(tx store.Tx) error {
	all, err := r.Domains(tx)
	for _, d := range all {
		if err == nil && d.Challenge == "" {
			d.Challenge, d.VerifiedAt, d.Assumed = newChallenge(), tx.Now(), true
			err = put(tx, domainKey+d.Name, d)
		}
	}
	return err
}
