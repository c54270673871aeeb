package registry

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Certificate says which agent a TLS client certificate stands for: by its public
// key, or by a name that an authority of the configuration has put into it.
type Certificate struct {
	ID        string    `json:"id"`
	Agent     string    `json:"agent"`
	Pin       Hash      `json:"pin,omitzero"`  // SHA-256 of the SubjectPublicKeyInfo; zero: found by SAN
	SAN       string    `json:"san,omitempty"` // "dns:…", "email:…" or "uri:…", in the form of subjectAltName
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// CertificateRequest is what a new certificate shall be found by: one of Pin and SAN.
type CertificateRequest struct {
	Agent string
	Pin   string // 64 hexadecimal digits
	SAN   string
}

// AddCertificate lets a certificate log in as the agent. It is for who may reset the
// agent's password (invariant 4). A public key or a name stands for one agent at most.
func (r *Registry) AddCertificate(tx store.Tx, actor Principal, q CertificateRequest) (Certificate, error) {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return Certificate{}, err
	}
	if _, err := r.Agent(tx, q.Agent); err != nil {
		return Certificate{}, err
	}
	now := tx.Now()
	c := Certificate{ID: string(mail.NewID(now)), Agent: q.Agent, CreatedAt: now, CreatedBy: p.ID()}
	if err := c.matches(q); err != nil {
		return Certificate{}, err
	}
	if _, taken, err := get[string](tx, c.place()); err != nil {
		return Certificate{}, err
	} else if taken {
		return Certificate{}, in(ErrExists, "this certificate stands for an agent already; revoke that first")
	}
	if err := put(tx, c.place(), c.ID); err != nil {
		return Certificate{}, err
	}
	if err := put(tx, certificateKey+c.ID, c); err != nil {
		return Certificate{}, err
	}
	facts, private := c.details()
	return c, r.note(tx, p, audit.CertificateAdd, facts, private)
}

// matches sets what c is found by.
func (c *Certificate) matches(q CertificateRequest) error {
	if (q.Pin == "") == (q.SAN == "") {
		return in(ErrInvalid, "name the certificate by its pin or by a subject alternative name, not by both")
	}
	if q.Pin != "" {
		if err := c.Pin.UnmarshalText([]byte(q.Pin)); err != nil {
			return in(ErrInvalid, "a pin is the SHA-256 of the public key in 64 hexadecimal digits")
		}
		if c.Pin == (Hash{}) {
			return in(ErrInvalid, "this pin is of no key")
		}
		return nil
	}
	kind, value, _ := strings.Cut(q.SAN, ":")
	if c.SAN = canonicalSAN(kind, value); c.SAN == "" {
		return in(ErrInvalid,
			`a subject alternative name is "dns:" and a domain, "email:" and an address, or "uri:" and a URI with a host`)
	}
	return nil
}

// canonicalSAN returns a name of a certificate in its one spelling, "" for one that no
// record may have. A wildcard is no domain.
func canonicalSAN(kind, value string) string {
	switch kind {
	case "dns":
		if d, err := mail.ParseDomain(value); err == nil {
			return "dns:" + d
		}
	case "email":
		if a, err := mail.ParseAddress(value); err == nil {
			return "email:" + a.Key()
		}
	case "uri":
		u, err := url.Parse(value)
		if err == nil && u.Scheme != "" && u.Host != "" && len(value) <= maxSAN && mail.AllPrintable(value) &&
			!strings.ContainsRune(value, ' ') {
			return "uri:" + value
		}
	}
	return ""
}

// maxSAN is the longest URI of a certificate that may stand for an agent, in octets.
const maxSAN = 512

// place is where the id of a certificate in force is found. What a client sent stands
// there as a hash.
func (c Certificate) place() string {
	if c.SAN != "" {
		return placeOfSAN(c.SAN)
	}
	return placeOfPin(c.Pin)
}

func placeOfPin(pin Hash) string { return certifiedKey + "pin/" + pin.String() }

func placeOfSAN(san string) string {
	h := sha256.Sum256([]byte(san))
	return certifiedKey + "san/" + hex.EncodeToString(h[:])
}

// Certificates returns every certificate, revoked ones too, oldest first.
func (r *Registry) Certificates(tx store.Tx) ([]Certificate, error) {
	return list[Certificate](tx, certificateKey)
}

// Certificate returns a certificate, or ErrNotFound.
func (r *Registry) Certificate(tx store.Tx, id string) (Certificate, error) {
	none := in(ErrNotFound, "no such certificate")
	if _, err := mail.ParseID(id); err != nil {
		return Certificate{}, none
	}
	c, ok, err := get[Certificate](tx, certificateKey+id)
	if err == nil && !ok {
		err = none
	}
	return c, err
}

// RevokeCertificate ends a certificate, and at their next command the sessions that
// it opened. Who may stop everything may. Revoking twice changes nothing.
func (r *Registry) RevokeCertificate(tx store.Tx, actor Principal, id string) error {
	p, err := r.authorizeClosed(tx, actor, stop)
	if err != nil {
		return err
	}
	c, err := r.Certificate(tx, id)
	if err != nil || !c.RevokedAt.IsZero() {
		return err
	}
	return r.revokeCertificate(tx, p, c)
}

func (r *Registry) revokeCertificate(tx store.Tx, p Principal, c Certificate) error {
	if err := space.Delete(tx, c.place()); err != nil {
		return err
	}
	c.RevokedAt = tx.Now()
	if err := put(tx, certificateKey+c.ID, c); err != nil {
		return err
	}
	facts, private := c.details()
	return r.note(tx, p, audit.CertificateRevoke, facts, private)
}

// details are what an audit entry says of c. A name may be that of a person.
func (c Certificate) details() (facts, private details) {
	facts, private = details{"agent": c.Agent}, details{"certificate": c.ID}
	if c.SAN != "" {
		private["san"] = c.SAN
	} else {
		private["pin"] = c.Pin.String()
	}
	return facts, private
}

// recordedCertificates states the certificates of the store.
func (r *Registry) recordedCertificates(tx store.Tx, s *states) error {
	return each(tx, certificateKey, func(_ string, c Certificate) (string, error) {
		facts, private := c.details()
		kind := audit.CertificateAdd
		if !c.RevokedAt.IsZero() {
			kind = audit.CertificateRevoke
		}
		s.add(kind, facts, private)
		return c.ID, nil
	})
}

// recordedCertified checks the index by which a presented certificate is found.
func (r *Registry) recordedCertified(tx store.Tx, _ *states) error {
	return each(tx, certifiedKey, func(at string, id string) (string, error) {
		c, err := r.Certificate(tx, id)
		if err != nil {
			return "", err
		}
		if !c.RevokedAt.IsZero() {
			return "", in(ErrInvalid, "certificate %s is revoked, and would still be found", id)
		}
		return strings.TrimPrefix(c.place(), certifiedKey), nil
	})
}

// sansOf returns the names of a certificate in their one spelling.
func sansOf(c *x509.Certificate) []string { return sans(c.DNSNames, c.EmailAddresses, c.URIs) }

// sans returns names in their one spelling.
func sans(dns, email []string, uris []*url.URL) (names []string) {
	for _, d := range dns {
		names = append(names, canonicalSAN("dns", d))
	}
	for _, e := range email {
		names = append(names, canonicalSAN("email", e))
	}
	for _, u := range uris {
		names = append(names, canonicalSAN("uri", u.String()))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
}
