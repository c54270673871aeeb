package httpd

import (
	"context"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/rotation"
	"github.com/multimail/multimail/mail"
)

// signingKeys stands in for the keeper of the keys, which has tests of its own.
type signingKeys struct{}

func (signingKeys) Note(context.Context) error { return nil }

func (signingKeys) Keys(_ context.Context, domain string) ([]rotation.Key, error) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if domain != "a.example" {
		return nil, registry.ErrNotFound
	}
	return []rotation.Key{
		{Purpose: rotation.Identity, Wait: "signs from then on", Info: keyset.Info{Key: keyset.Key{Name: "kid", Alg: "ES256",
			Life: keyset.Life{Created: at, Published: at}}}},
		{Purpose: rotation.DKIM, Info: keyset.Info{Vault: true, Key: keyset.Key{Name: "mm1", Alg: "rsa",
			Life: keyset.Life{Created: at, Activated: at, Revoked: at, Reason: keyset.Ceased}}}},
	}, nil
}

func (k signingKeys) Rotate(ctx context.Context, _ registry.Principal, domain string, _ rotation.Purpose) error {
	_, err := k.Keys(ctx, domain)
	return err
}

func (k signingKeys) Replace(ctx context.Context, p registry.Principal, domain string, r rotation.Purpose) error {
	return k.Rotate(ctx, p, domain, r)
}

func (k signingKeys) Revoke(_ context.Context, _ registry.Principal, _, key, r string) error {
	if !slices.Contains(keyset.Reasons, keyset.Reason(r)) {
		return mail.ErrInvalid.Errorf("no such reason")
	}
	if key != "mm1" {
		return keyset.ErrNoKey
	}
	return nil
}

func (k signingKeys) Import(_ context.Context, _ registry.Principal, _ string, p rotation.Purpose, selector string,
	pkcs8 []byte) error {
	if string(pkcs8) != "key" || p != rotation.DKIM || selector != "s1" {
		return keyset.ErrHasNext
	}
	return nil
}
