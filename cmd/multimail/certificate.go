package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/multimail/multimail/httpd/api"
)

// certificateCmd is about the TLS client certificates of agents.
type certificateCmd struct {
	Add    certificateAddCmd    `cmd:"" help:"Let a TLS client certificate log in as an agent over SMTP."`
	List   certificateListCmd   `cmd:"" help:"List certificates."`
	Revoke certificateRevokeCmd `cmd:"" help:"End a certificate."`
}

type certificateAddCmd struct {
	Name string `arg:"" help:"Name of the agent."`
	File string `xor:"which" required:"" type:"path" placeholder:"FILE" help:"The certificate (PEM): its key is pinned."`
	Pin  string `xor:"which" required:"" placeholder:"HEX" help:"SHA-256 of its public key (SubjectPublicKeyInfo)."`
	SAN  string `xor:"which" required:"" name:"san" placeholder:"NAME" help:"A name in it: dns:, email: or uri:."`
}

func (c certificateAddCmd) Run(e *environment) error {
	if c.File != "" {
		var err error
		if c.Pin, err = pinOf(c.File); err != nil {
			return err
		}
	}
	in := api.NewCertificate{NameRef: api.NameRef{Name: c.Name}, Pin: c.Pin, SAN: c.SAN}
	return show(e, api.AddCertificate, in, func(a api.Certificate) error {
		return e.line("%s agent %s, %s", a.ID, a.Agent, foundBy(a))
	})
}

// pinOf returns the SHA-256 of the public key of the first certificate of a file.
func pinOf(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		pin := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		return hex.EncodeToString(pin[:]), nil
	}
	return "", fmt.Errorf("%s: no certificate in it", path)
}

// foundBy is what a certificate is found by.
func foundBy(c api.Certificate) string {
	if c.SAN != "" {
		return c.SAN
	}
	return "pin:" + c.Pin
}

type certificateListCmd struct{}

func (certificateListCmd) Run(e *environment) error {
	return list(e, api.ListCertificates, api.None{},
		func(all api.Certificates) []api.Certificate { return all.Certificates },
		"ID\tAGENT\tFOUND BY\tSTATE\tCREATED", func(c api.Certificate) []string {
			state := "active"
			if !c.IsActive {
				state = "revoked"
			}
			return []string{c.ID, c.Agent, foundBy(c), state, short(c.CreatedAt)}
		})
}

type certificateRevokeCmd struct {
	ID string `arg:"" help:"Id of the certificate."`
}

func (c certificateRevokeCmd) Run(e *environment) error {
	return remove(e, api.RevokeCertificate, api.CertificateRef{ID: c.ID}, c.ID, "is revoked")
}
