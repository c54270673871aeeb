package api

import "time"

// Certificate is a TLS client certificate that stands for an agent over SMTP.
type Certificate struct {
	ID        string    `json:"id"`
	Agent     string    `json:"agent"`
	Pin       string    `json:"pin,omitempty" doc:"SHA-256 of its public key (SubjectPublicKeyInfo), in hexadecimal"`
	SAN       string    `json:"san,omitempty" doc:"a name in it: dns:, email: or uri:"`
	IsActive  bool      `json:"is_active"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// Certificates is a list of them.
type Certificates struct {
	Certificates []Certificate `json:"certificates"`
}

// NewCertificate asks that a certificate may log in as an agent.
type NewCertificate struct {
	NameRef
	Pin string `json:"pin,omitempty" doc:"SHA-256 of its public key (SubjectPublicKeyInfo), in hexadecimal"`
	SAN string `json:"san,omitempty" doc:"a name in it, of an authority of the configuration: dns:, email: or uri:"`
}

// CertificateRef names a certificate.
type CertificateRef struct {
	ID string `path:"id" json:"-" doc:"id of the certificate"`
}
