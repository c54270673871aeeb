package registry

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// Bounds of what a client may present. More is refused: a certificate of thousands of
// names would cost as many look-ups.
const (
	maxChain = 10
	maxNames = 20
)

// ByCertificate returns the agent that a TLS client certificate stands for, or
// ErrCredentials. The client has proved in the handshake that it holds the key of
// chain[0]; the others are what it sent beside it. A certificate whose public key is
// pinned needs no authority; any other one must chain to roots (nil: none is trusted)
// and must have the names of one agent. Either must be in date.
func (r *Registry) ByCertificate(tx store.Tx, chain []*x509.Certificate, roots *x509.CertPool) (Principal, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return Principal{}, ErrCredentials
	}
	leaf, now := chain[0], tx.Now()
	id, pinned, err := get[string](tx, placeOfPin(sha256.Sum256(leaf.RawSubjectPublicKeyInfo)))
	if err != nil {
		return Principal{}, err
	}
	from, until := leaf.NotBefore, leaf.NotAfter
	if !pinned {
		until = trustedUntil(chain, roots, now)
		if id, err = r.named(tx, leaf); err != nil {
			return Principal{}, err
		}
	}
	if id == "" || now.Before(from) || now.After(until) {
		return Principal{}, ErrCredentials
	}
	c, err := r.Certificate(tx, id)
	if err != nil {
		return Principal{}, err
	}
	if pinned && c.place() != placeOfPin(sha256.Sum256(leaf.RawSubjectPublicKeyInfo)) ||
		!pinned && !slices.Contains(sansOf(leaf), c.SAN) {
		return Principal{}, ErrCredentials // the index leads to the record of another certificate
	}
	return r.ofCertificate(tx, c, until)
}

// trustedUntil returns until when a certificate chains to an authority that may issue
// certificates of clients, zero if it does not.
func trustedUntil(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) (until time.Time) {
	if roots == nil {
		return until
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	ways, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return until
	}
	for _, way := range ways {
		least := way[0].NotAfter
		for _, c := range way[1:] {
			if c.NotAfter.Before(least) {
				least = c.NotAfter
			}
		}
		if least.After(until) {
			until = least
		}
	}
	return until
}

// named returns the id of the record that the names of a certificate lead to, "" for
// none, or for several: it would not be clear who that is.
func (r *Registry) named(tx store.Tx, leaf *x509.Certificate) (id string, err error) {
	if len(leaf.DNSNames)+len(leaf.EmailAddresses)+len(leaf.URIs) > maxNames {
		return "", nil
	}
	for _, san := range sansOf(leaf) {
		found, ok, err := get[string](tx, placeOfSAN(san))
		switch {
		case err != nil:
			return "", err
		case ok && id != "":
			return "", nil
		case ok:
			id = found
		}
	}
	return id, nil
}

func (r *Registry) currentCertificate(tx store.Tx, p Principal) (Principal, error) {
	c, ok, err := get[Certificate](tx, certificateKey+p.Credential.ID)
	if err != nil {
		return Principal{}, err
	}
	if !ok || p.Kind != KindAgent || c.Agent != p.Name || tx.Now().After(p.until) {
		return Principal{}, ErrCredentials
	}
	return r.ofCertificate(tx, c, p.until)
}

// ofCertificate returns the principal of a certificate that is in date until then.
func (r *Registry) ofCertificate(tx store.Tx, c Certificate, until time.Time) (Principal, error) {
	if !c.RevokedAt.IsZero() {
		return Principal{}, ErrCredentials
	}
	p, err := r.ofAgent(tx, c.Agent, Credential{CredentialCertificate, c.ID})
	p.until = until
	return p, err
}
