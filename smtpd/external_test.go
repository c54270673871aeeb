package smtpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// clientCertificate is one that a client made for itself.
func clientCertificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(24 * time.Hour),
		Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// asking returns options of a server that asks for a certificate.
func asking() Options {
	o := options()
	o.TLSConfig.ClientAuth = tls.RequestClientCert
	return o
}

func TestEXTERNALIsTheCertificateOfTheConnection(t *testing.T) {
	for _, c := range []struct{ name, cert, line, want string }{
		{"an empty response", user, "AUTH EXTERNAL =", "235"},
		{"its name", user, "AUTH EXTERNAL " + b64(user), "235"},
		{"its address", user, "AUTH EXTERNAL " + b64(mailbox), "235"},
		{"another name", user, "AUTH EXTERNAL " + b64("other"), "535 5.7.8"},
		{"another address", user, "AUTH EXTERNAL " + b64("ceo@example.test"), "535 5.7.8"},
		{"a certificate of nobody", "stranger", "AUTH EXTERNAL =", "535 5.7.8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth := newFakeAuth()
			srv, err := New(&fakeGate{}, auth, asking())
			if err != nil {
				t.Fatal(err)
			}
			p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true,
				Certificates: []tls.Certificate{clientCertificate(t, c.cert)}})
			if got := p.do("EHLO t", "250"); !strings.Contains(got, " EXTERNAL ") {
				t.Errorf("offered: %q", got)
			}
			p.do(c.line, c.want)
			if n := len(*auth.refused); (n == 1) != (c.want[0] == '5') {
				t.Errorf("%d refused logins are recorded", n)
			}
		})
	}
}

func TestEXTERNALWithoutAnInitialResponse(t *testing.T) {
	srv, _ := build(t, asking())
	p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{clientCertificate(t, user)}})
	p.do("AUTH EXTERNAL", "334 \r\n")
	p.do("", "235")
}

func TestEXTERNALIsOfferedToWhoSentACertificate(t *testing.T) {
	srv, _ := build(t, asking())
	p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true})
	if got := p.do("EHLO t", "250"); strings.Contains(got, "EXTERNAL") {
		t.Errorf("offered: %q", got)
	}
	p.do("AUTH EXTERNAL =", "504 5.5.4")
}

// A resumed connection has the certificate of the first one, and it is looked at
// again.
func TestEXTERNALOnAResumedConnection(t *testing.T) {
	srv, _ := build(t, asking())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = srv.Serve(l, true) }()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", MaxVersion: version,
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
			Certificates:       []tls.Certificate{clientCertificate(t, user)}}
		for i := range 2 {
			p, state := again(t, l.Addr().String(), conf)
			if state.DidResume != (i == 1) {
				t.Errorf("version %x, connection %d: resumed: %v", version, i, state.DidResume)
			}
			p.do("AUTH EXTERNAL =", "235")
			p.do("QUIT", "221")
		}
	}
}
