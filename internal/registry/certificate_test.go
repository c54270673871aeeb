package registry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate, signed by itself when by is nil. It is in date for a day
// around the time of the fixture.
func issueCertificate(t testing.TB, by *issued, change func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: zone.Add(-time.Hour), NotAfter: zone.Add(time.Hour),
		Subject: pkix.Name{CommonName: "x"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if change != nil {
		change(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &issued{c, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	c.ExtKeyUsage = nil
}

func named(dns ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = dns }
}

func spiffe(c *x509.Certificate) {
	u, _ := url.Parse("spiffe://agents.test/demo")
	c.URIs = []*url.URL{u}
}

func pinOf(c *issued) string {
	h := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(h[:])
}

func (h *fixture) certify(q registry.CertificateRequest) registry.Certificate {
	h.t.Helper()
	var c registry.Certificate
	h.must(func(tx store.Tx) (err error) {
		c, err = h.reg.AddCertificate(tx, socket, q)
		return err
	})
	return c
}

func (h *fixture) byCertificate(roots *x509.CertPool, chain ...*issued) (p registry.Principal, err error) {
	var list []*x509.Certificate
	for _, c := range chain {
		list = append(list, c.Certificate)
	}
	err = h.db.View(ctx, func(tx store.Tx) error {
		p, err = h.reg.ByCertificate(tx, list, roots)
		return err
	})
	return p, err
}

func TestAPinnedCertificateNeedsNoAuthority(t *testing.T) {
	h := open(t)
	own, other := issueCertificate(t, nil, nil), issueCertificate(t, nil, nil)
	c := h.certify(registry.CertificateRequest{Agent: "demo", Pin: pinOf(own)})
	p, err := h.byCertificate(nil, own)
	if err != nil || p.ID() != "agent:demo" || !p.Covers(box) ||
		p.Credential != (registry.Credential{Kind: registry.CredentialCertificate, ID: c.ID}) {
		t.Errorf("got %+v, %v", p, err)
	}
	if now, err := h.current(p); err != nil || !now.Covers(box) || !now.Has(registry.ScopeSend) {
		t.Errorf("in the session: %+v, %v", now, err)
	}
	for name, chain := range map[string][]*issued{
		"another key": {other}, "the pinned key behind another": {other, own}, "nothing": nil,
		"a chain without end": {own, own, own, own, own, own, own, own, own, own, own},
	} {
		if _, err := h.byCertificate(nil, chain...); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACertificateOfAnAuthorityIsKnownByItsName(t *testing.T) {
	h := open(t)
	root := issueCertificate(t, nil, authority)
	between := issueCertificate(t, root, authority)
	foreign := issueCertificate(t, nil, authority)
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate)
	h.certify(registry.CertificateRequest{Agent: "demo", SAN: "dns:Demo.Agents.test"})
	h.certify(registry.CertificateRequest{Agent: "demo", SAN: "email:demo@example.test"})
	h.certify(registry.CertificateRequest{Agent: "demo", SAN: "uri:spiffe://agents.test/demo"})
	h.certify(registry.CertificateRequest{Agent: "other", SAN: "dns:other.agents.test"})
	many := make([]string, 21)
	for i := range many {
		many[i] = strings.Repeat("a", i+1) + ".test"
	}
	many[20] = "demo.agents.test"
	for _, c := range []struct {
		name  string
		chain []*issued
		ok    bool
	}{
		{"a domain", []*issued{issueCertificate(t, root, named("demo.agents.test"))}, true},
		{"a domain in capitals", []*issued{issueCertificate(t, root, named("DEMO.agents.test"))}, true},
		{"a domain beside one of nobody", []*issued{issueCertificate(t, root, named("x.test", "demo.agents.test"))}, true},
		{"an address", []*issued{issueCertificate(t, root,
			func(c *x509.Certificate) { c.EmailAddresses = []string{"Demo@example.test"} })}, true},
		{"a URI", []*issued{issueCertificate(t, root, spiffe)}, true},
		{"by way of another authority", []*issued{issueCertificate(t, between, named("demo.agents.test")), between}, true},
		{"without the one between", []*issued{issueCertificate(t, between, named("demo.agents.test"))}, false},
		{"no name", []*issued{issueCertificate(t, root, nil)}, false},
		{"a name of nobody", []*issued{issueCertificate(t, root, named("nobody.agents.test"))}, false},
		{"a wildcard", []*issued{issueCertificate(t, root, named("*.agents.test"))}, false},
		{"the common name alone", []*issued{issueCertificate(t, root,
			func(c *x509.Certificate) { c.Subject.CommonName = "demo.agents.test" })}, false},
		{"the names of two agents", []*issued{
			issueCertificate(t, root, named("demo.agents.test", "other.agents.test"))}, false},
		{"more names than are looked at", []*issued{issueCertificate(t, root, named(many...))}, false},
		{"of another authority", []*issued{issueCertificate(t, foreign, named("demo.agents.test")), foreign}, false},
		{"of itself", []*issued{issueCertificate(t, nil, named("demo.agents.test"))}, false},
		{"for servers", []*issued{issueCertificate(t, root, func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{"demo.agents.test"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})}, false},
		{"over", []*issued{issueCertificate(t, root, func(c *x509.Certificate) {
			c.DNSNames, c.NotAfter = []string{"demo.agents.test"}, zone.Add(-time.Second)
		})}, false},
		{"not yet in date", []*issued{issueCertificate(t, root, func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore = []string{"demo.agents.test"}, zone.Add(time.Minute)
		})}, false},
	} {
		p, err := h.byCertificate(roots, c.chain...)
		if c.ok && (err != nil || p.ID() != "agent:demo") || !c.ok && !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %s, %v", c.name, p.ID(), err)
		}
		if _, err := h.byCertificate(nil, c.chain...); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s, without an authority in the configuration: %v", c.name, err)
		}
	}
}

// What ends a certificate ends its sessions too: the record, the agent, and the date of
// any certificate of the chain.
func TestASessionEndsWithItsCertificate(t *testing.T) {
	root := issueCertificate(t, nil, func(c *x509.Certificate) { authority(c); c.NotAfter = zone.Add(10 * time.Minute) })
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate)
	pinned, byName := issueCertificate(t, nil, nil), issueCertificate(t, root, named("demo.agents.test"))
	for _, c := range []struct {
		name  string
		leaf  *issued
		after time.Duration
		end   func(*fixture, registry.Principal)
		ended bool
	}{
		{"nothing, pinned", pinned, 59 * time.Minute, nil, false},
		{"nothing, by name", byName, 9 * time.Minute, nil, false},
		{"the date of a pinned one", pinned, 61 * time.Minute, nil, true},
		{"the date of the authority", byName, 11 * time.Minute, nil, true},
		{"revocation", pinned, 0, func(h *fixture, p registry.Principal) {
			h.must(func(tx store.Tx) error { return h.reg.RevokeCertificate(tx, socket, p.Credential.ID) })
		}, true},
		{"the agent is disabled", byName, 0, func(h *fixture, p registry.Principal) {
			h.must(func(tx store.Tx) error { return h.reg.DisableAgent(tx, socket, "demo") })
		}, true},
	} {
		h := open(t)
		h.certify(registry.CertificateRequest{Agent: "demo", Pin: pinOf(pinned)})
		h.certify(registry.CertificateRequest{Agent: "demo", SAN: "dns:demo.agents.test"})
		p, err := h.byCertificate(roots, c.leaf)
		if err != nil {
			t.Fatal(err)
		}
		if c.end != nil {
			c.end(h, p)
		}
		h.db.Time = zone.Add(c.after)
		_, e1 := h.current(p)
		_, e2 := h.byCertificate(roots, c.leaf)
		for _, err := range []error{e1, e2} {
			if c.ended != errors.Is(err, registry.ErrCredentials) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

func TestACertificateStandsForOneAgent(t *testing.T) {
	h := open(t)
	own := issueCertificate(t, nil, nil)
	c := h.certify(registry.CertificateRequest{Agent: "demo", Pin: pinOf(own)})
	h.db.Time = zone.Add(time.Second) // ids of one moment have no order
	h.certify(registry.CertificateRequest{Agent: "demo", SAN: "email:a@example.test"})
	for name, q := range map[string]registry.CertificateRequest{
		"a pin that is taken":               {Agent: "other", Pin: strings.ToUpper(pinOf(own))},
		"a name that is taken":              {Agent: "other", SAN: "email:A@EXAMPLE.test"},
		"neither":                           {Agent: "demo"},
		"both":                              {Agent: "demo", Pin: strings.Repeat("ab", 32), SAN: "dns:x.test"},
		"an agent that is not here":         {Agent: "nobody", Pin: strings.Repeat("ab", 32)},
		"a short pin":                       {Agent: "demo", Pin: "abcd"},
		"a pin of zeros":                    {Agent: "demo", Pin: strings.Repeat("00", 32)},
		"a pin that is no number":           {Agent: "demo", Pin: strings.Repeat("zz", 32)},
		"a kind of name that is not known":  {Agent: "demo", SAN: "ip:192.0.2.1"},
		"a name without a kind":             {Agent: "demo", SAN: "demo.agents.test"},
		"a wildcard":                        {Agent: "demo", SAN: "dns:*.agents.test"},
		"an address without a domain":       {Agent: "demo", SAN: "email:demo"},
		"a URI without a host":              {Agent: "demo", SAN: "uri:urn:x"},
		"a URI with a blank":                {Agent: "demo", SAN: "uri:spiffe://a.test/a b"},
		"a URI without end":                 {Agent: "demo", SAN: "uri:spiffe://a.test/" + strings.Repeat("x", 512)},
		"a domain with a character of none": {Agent: "demo", SAN: "dns:a\x00.test"},
	} {
		err := h.update(func(tx store.Tx) error {
			_, err := h.reg.AddCertificate(tx, socket, q)
			return err
		})
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	h.must(func(tx store.Tx) error { return h.reg.RevokeCertificate(tx, socket, c.ID) })
	h.certify(registry.CertificateRequest{Agent: "other", Pin: pinOf(own)})
	if p, err := h.byCertificate(nil, own); err != nil || p.ID() != "agent:other" {
		t.Errorf("after the revocation: %s, %v", p.ID(), err)
	}
	var all []registry.Certificate
	h.must(func(tx store.Tx) (err error) {
		all, err = h.reg.Certificates(tx)
		return err
	})
	if len(all) != 3 || all[0].ID != c.ID || all[0].RevokedAt.IsZero() || !all[1].RevokedAt.IsZero() {
		t.Errorf("got %+v", all)
	}
}

// An entry of the index that leads to the record of another certificate opens nothing.
func TestACertificateIsFoundByItsOwnRecordAlone(t *testing.T) {
	h := open(t)
	root := issueCertificate(t, nil, authority)
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate)
	h.certify(registry.CertificateRequest{Agent: "demo", SAN: "dns:demo.agents.test"})
	at := h.record("registry/certified/san/", "")
	eve, evil := issueCertificate(t, nil, nil), issueCertificate(t, root, named("eve.agents.test"))
	name := sha256.Sum256([]byte("dns:eve.agents.test"))
	h.db.Edit(copied(at, "registry/certified/pin/"+pinOf(eve)))
	h.db.Edit(copied(at, "registry/certified/san/"+hex.EncodeToString(name[:])))
	for what, chain := range map[string][]*issued{"a pin": {eve}, "a name": {evil}} {
		if p, err := h.byCertificate(roots, chain...); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %s, %v", what, p.ID(), err)
		}
	}
	if p, err := h.byCertificate(roots, issueCertificate(t, root, named("demo.agents.test"))); err != nil {
		t.Errorf("its own: %s, %v", p.ID(), err)
	}
}

// Revoking a certificate that is not here, or twice, changes nothing.
func TestRevokingACertificateTwiceChangesNothing(t *testing.T) {
	h := open(t)
	c := h.certify(registry.CertificateRequest{Agent: "demo", SAN: "dns:x.test"})
	revoke := func(id string) error {
		return h.update(func(tx store.Tx) error { return h.reg.RevokeCertificate(tx, socket, id) })
	}
	if err := revoke(c.ID); err != nil {
		t.Fatal(err)
	}
	n := len(h.entries())
	if err := revoke(c.ID); err != nil || len(h.entries()) != n {
		t.Errorf("twice: %v, %d entries", err, len(h.entries())-n)
	}
	for _, id := range []string{"", "x", "../agent/demo", "01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
		if err := revoke(id); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func certificateEdits(h *fixture) []edit {
	c, at := h.record("registry/certificate/", `"agent":"demo"`), h.record("registry/certified/san/", "")
	return []edit{
		{"the agent of a certificate", edited(c, map[string]any{"agent": "other"}), "certificate"},
		{"a certificate is gone", removed(c), "no such certificate"},
		{"an index entry of another name", copied(at, "registry/certified/san/eve"), "is that of"},
		{"a revoked certificate that works", edited(c, map[string]any{"revoked_at": "2031-05-04T12:00:00Z"}), "is revoked"},
	}
}
