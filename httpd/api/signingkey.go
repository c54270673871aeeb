package api

import "time"

// SigningKey is a key that signs the mail of a domain, without its private half.
type SigningKey struct {
	Purpose     string    `json:"purpose" doc:"'identity' or 'dkim'"`
	Key         string    `json:"key" doc:"its name: a kid or a selector"`
	Algorithm   string    `json:"algorithm" doc:"'ES256', 'rsa' or 'ed25519'"`
	State       string    `json:"state" doc:"'next', 'current', 'retired' or 'revoked'"`
	Reason      string    `json:"reason,omitempty" doc:"why it was revoked: 'compromised', 'superseded' or 'ceased'"`
	Waits       string    `json:"waits,omitempty" doc:"why a next key does not sign yet"`
	Token       bool      `json:"token,omitempty" doc:"its private half is in a PKCS #11 token"`
	CreatedAt   time.Time `json:"created_at"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"since when whoever verifies could know it"`
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	RetiredAt   time.Time `json:"retired_at,omitzero" doc:"nothing that it signed bears a later time"`
	RevokedAt   time.Time `json:"revoked_at,omitzero"`
}

// SigningKeys is a list of them.
type SigningKeys struct {
	Keys []SigningKey `json:"keys"`
}

// RotateKeys asks for the next key of a domain, or for the end of those that sign.
type RotateKeys struct {
	NameRef
	Purpose     string `json:"purpose,omitempty" enum:"identity,dkim," doc:"empty: both"`
	Compromised bool   `json:"compromised,omitempty" doc:"revoke the keys that sign or are next, now"`
}

// RevokeKey asks for the end of one key.
type RevokeKey struct {
	NameRef
	Key    string `json:"-" path:"key" doc:"its kid or selector"`
	Reason string `json:"reason" enum:"compromised,superseded,ceased" doc:"why; a compromised key counts for nothing"`
}

// ImportKey brings a private key along.
type ImportKey struct {
	NameRef
	Purpose  string `json:"purpose" enum:"identity,dkim" doc:"what it is for"`
	Selector string `json:"selector,omitempty" doc:"of a DKIM key; empty: the next number"`
	PEM      string `json:"pem" doc:"one PKCS #8 private key in PEM; P-256 for identity, RSA or Ed25519 for DKIM"`
}

// DomainFiles are what the web server of a domain publishes.
type DomainFiles struct {
	Files []DomainFile `json:"files"`
}

// DomainFile is one of them.
type DomainFile struct {
	Path    string `json:"path" doc:"below the root of https://DOMAIN, such as '.well-known/jwks.json'"`
	Type    string `json:"content_type"`
	Content string `json:"content"`
}

// The keys that sign mail.
var (
	ListSigningKeys = Add[NameRef, SigningKeys](Operations, Operation{
		Name: "list_signing_keys", Method: "GET", Path: "/v1/domains/{name}/signing-keys", Scopes: oneOf(ScopeAdmin),
		Summary: "the keys that sign for a domain, in every state"})

	RotateSigningKeys = Add[RotateKeys, SigningKeys](Operations, Operation{
		Name: "rotate_signing_keys", Method: "POST", Path: "/v1/domains/{name}/signing-keys/rotate",
		Scopes: oneOf(ScopeAdmin), Audit: "signing_key.add",
		Summary: "publish the next keys, which sign two days later; or replace compromised ones now"})

	RevokeSigningKey = Add[RevokeKey, SigningKeys](Operations, Operation{
		Name: "revoke_signing_key", Method: "POST", Path: "/v1/domains/{name}/signing-keys/{key}/revoke",
		Scopes: oneOf(ScopeAdmin), Audit: "signing_key.revoke",
		Summary: "revoke a key that signs mail"})

	ImportSigningKey = Add[ImportKey, SigningKeys](Operations, Operation{
		Name: "import_signing_key", Method: "POST", Path: "/v1/domains/{name}/signing-keys", Scopes: oneOf(ScopeAdmin),
		Audit: "signing_key.add", Status: 201,
		Summary: "make a key that was brought along the next one"})

	ExportDomain = Add[NameRef, DomainFiles](Operations, Operation{
		Name: "export_domain", Method: "GET", Path: "/v1/domains/{name}/files", Scopes: oneOf(ScopeAdmin),
		Summary: "the public files of a domain, for its own web server"})
)
