package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certLife is short enough to be forgotten nowhere and long enough for any trial.
const certLife = 365 * 24 * time.Hour

// devCerts returns the files of the certificate of the dev mode's listeners and
// of the authority that signed it. They are kept across restarts, so that a
// client which trusts the authority goes on trusting it.
func devCerts(data string, now time.Time) (caFile, certFile, keyFile string, err error) {
	dir := filepath.Join(data, "tls")
	caFile, certFile, keyFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && cert.Leaf != nil && now.Before(cert.Leaf.NotAfter.Add(-24*time.Hour)) {
		if _, err = os.Stat(caFile); err == nil {
			return caFile, certFile, keyFile, nil
		}
	}
	if err = os.MkdirAll(dir, 0o700); err != nil {
		return "", "", "", err
	}
	ca, leaf, key, err := makeCerts(now)
	if err != nil {
		return "", "", "", err
	}
	err = errors.Join(writeFile(caFile, ca, 0o644), writeFile(certFile, leaf, 0o644), writeFile(keyFile, key, 0o600))
	return caFile, certFile, keyFile, err
}

// makeCerts signs a certificate for loopback with an authority whose key is
// thrown away at once: nobody can sign a second one.
func makeCerts(now time.Time) (ca, leaf, key []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	caCert := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "MultiMail dev CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLenZero: true,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, caCert, caCert, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	leafCert := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leafCert, caCert, &leafKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, nil, nil, err
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	return block("CERTIFICATE", caDER), block("CERTIFICATE", leafDER), block("PRIVATE KEY", keyDER), nil
}
