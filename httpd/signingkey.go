package httpd

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/rotation"
	"github.com/multimail/multimail/internal/store"
)

// SigningKeys changes the keys that sign mail.
type SigningKeys interface {
	Note(ctx context.Context) error
	Keys(ctx context.Context, domain string) ([]rotation.Key, error)
	Rotate(ctx context.Context, who registry.Principal, domain string, p rotation.Purpose) error
	Replace(ctx context.Context, who registry.Principal, domain string, p rotation.Purpose) error
	Revoke(ctx context.Context, who registry.Principal, domain, key string, reason string) error
	Import(ctx context.Context, who registry.Principal, domain string, p rotation.Purpose, selector string,
		pkcs8 []byte) error
}

var _ SigningKeys = (*rotation.Keeper)(nil)

func (s *Server) signingKeyBindings() []binding {
	return []binding{
		bind(api.ListSigningKeys, s.signingKeys),
		bind(api.RotateSigningKeys, s.rotateKeys),
		bind(api.RevokeSigningKey, s.revokeSigningKey),
		bind(api.ImportSigningKey, s.importKey),
		bind(api.ExportDomain, s.domainFiles),
	}
}

func (s *Server) signingKeys(ctx context.Context, _ caller, in api.NameRef) (api.SigningKeys, error) {
	return s.signingKeysOf(ctx, in.Name, nil)
}

func (s *Server) rotateKeys(ctx context.Context, c caller, in api.RotateKeys) (api.SigningKeys, error) {
	change := s.o.Keys.Rotate
	if in.Compromised {
		change = s.o.Keys.Replace
	}
	return s.signingKeysOf(ctx, in.Name, change(ctx, c.Principal, in.Name, rotation.Purpose(in.Purpose)))
}

func (s *Server) revokeSigningKey(ctx context.Context, c caller, in api.RevokeKey) (api.SigningKeys, error) {
	return s.signingKeysOf(ctx, in.Name,
		s.o.Keys.Revoke(ctx, c.Principal, in.Name, in.Key, in.Reason))
}

func (s *Server) importKey(ctx context.Context, c caller, in api.ImportKey) (out api.SigningKeys, _ error) {
	block, rest := pem.Decode([]byte(in.PEM))
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return out, invalid("pem: not one PKCS #8 private key in PEM")
	}
	return s.signingKeysOf(ctx, in.Name,
		s.o.Keys.Import(ctx, c.Principal, in.Name, rotation.Purpose(in.Purpose), in.Selector, block.Bytes))
}

// signingKeysOf answers with the keys as they are after a change that went well.
func (s *Server) signingKeysOf(ctx context.Context, domain string, err error) (out api.SigningKeys, _ error) {
	if err != nil {
		return out, err
	}
	keys, err := s.o.Keys.Keys(ctx, domain)
	out.Keys = []api.SigningKey{}
	for _, k := range keys {
		out.Keys = append(out.Keys, api.SigningKey{
			Purpose: string(k.Purpose), Key: k.Name, Algorithm: k.Alg, State: string(k.State()), Reason: string(k.Reason),
			Waits: k.Wait, Token: k.Vault, CreatedAt: k.Created, PublishedAt: k.Published, ActivatedAt: k.Activated,
			RetiredAt: k.Retired, RevokedAt: k.Revoked,
		})
	}
	return out, err
}

// domainFiles answers with what this server serves below /.well-known/ of a domain,
// and of mta-sts. in front of its name (RFC 8461, section 3.3).
func (s *Server) domainFiles(ctx context.Context, _ caller, in api.NameRef) (out api.DomainFiles, _ error) {
	var d registry.Domain
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		d, err = s.o.Registry.Domain(tx, in.Name)
		return err
	})
	if err != nil {
		return out, err
	}
	doc, err := s.o.Identity.Document(d.Name)
	if err != nil {
		return out, err
	}
	set, err := keySet(doc)
	out.Files = []api.DomainFile{
		{Path: ".well-known/multimail-signing-key", Type: "application/json", Content: string(doc)},
		{Path: ".well-known/jwks.json", Type: "application/jwk-set+json", Content: string(set)},
	}
	if policy := s.o.Zones.Policy(); policy != "" { // an empty file would be a broken policy
		out.Files = append(out.Files, api.DomainFile{Path: ".well-known/mta-sts.txt", Type: "text/plain", Content: policy})
	}
	return out, err
}

// keySet returns the keys of a key document alone.
func keySet(doc []byte) ([]byte, error) {
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, fmt.Errorf("httpd: key document: %w", err)
	}
	b, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("httpd: key set: %w", err)
	}
	return b, nil
}
