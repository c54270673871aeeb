package registry_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
)

// noToken verifies no token.
type noToken struct{}

func (noToken) Verify(context.Context, string) (registry.Token, error) {
	return registry.Token{}, registry.ErrCredentials
}

var elsewhere = registry.Origin{Door: "smtp", IP: "192.0.2.9"}

// failures returns the entries of refused logins.
func (h *fixture) failures() (out []audit.Record) {
	for _, e := range h.entries() {
		if r := e.Record(); r.Kind == audit.AuthFail {
			out = append(out, r)
		}
	}
	return out
}

// Each way to fail leaves one entry of the same form: the kind of credential is a fact,
// and the name that was given is private, as is the address.
func TestEveryRefusedLoginIsRecordedAlike(t *testing.T) {
	h := open(t)
	a := registry.NewAuthenticator(h.db, h.reg, noToken{})
	leaf := issueCertificate(t, nil, nil)
	for _, c := range []struct {
		name, kind, user string
		login            func() error
	}{
		{"a password", "password", "eve", func() error {
			_, err := a.ByPassword(ctx, "eve", "wrong", elsewhere)
			return err
		}},
		{"SCRAM", "password", "eve", func() error {
			s, err := a.SCRAM(ctx, "eve")
			if err != nil {
				return err
			}
			_, err = a.BySCRAM(ctx, s, "eve", elsewhere)
			return err
		}},
		{"a token", "token", "", func() error { _, err := a.ByToken(ctx, "x", elsewhere); return err }},
		{"a key", "key", "", func() error { _, err := a.ByBearer(ctx, "mm_live_x", elsewhere); return err }},
		{"a certificate", "certificate", "", func() error {
			_, err := a.ByCertificate(ctx, []*x509.Certificate{leaf.Certificate}, elsewhere)
			return err
		}},
		{"by its mechanism", "token", "eve@x.test", func() error {
			return a.Refuse(ctx, registry.CredentialToken, "eve@x.test", elsewhere)
		}},
	} {
		before := len(h.failures())
		if err := c.login(); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: %v", c.name, err)
		}
		all := h.failures()
		if len(all) != before+1 {
			t.Fatalf("%s leaves %d entries", c.name, len(all)-before)
		}
		r := all[before]
		if len(r.Facts) != 2 || r.Facts["door"] != "smtp" || r.Facts["credential_kind"] != c.kind ||
			r.Private["user"] != c.user || r.Private["ip"] != elsewhere.IP {
			t.Errorf("%s: %v, %v", c.name, r.Facts, r.Private)
		}
	}
}

// Whoever guesses cannot fill the log, and cannot hide in it how often he did.
func TestRefusedLoginsBeyondTheRateAreCountedInTheNextEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		a := registry.NewAuthenticator(h.db, h.reg, nil)
		guess := func(n int) {
			for range n {
				if err := a.Refuse(ctx, registry.CredentialPassword, "eve", elsewhere); !errors.Is(err, registry.ErrCredentials) {
					t.Fatal(err)
				}
			}
		}
		guess(57)
		if n := len(h.failures()); n != 20 {
			t.Fatalf("%d entries", n)
		}
		time.Sleep(10 * time.Second)
		guess(1)
		time.Sleep(10 * time.Second)
		guess(1)
		all := h.failures()
		if len(all) != 22 || all[20].Facts["unrecorded"] != "37" || all[21].Facts["unrecorded"] != "" {
			t.Errorf("%d entries, the last: %v, %v", len(all), all[len(all)-2].Facts, all[len(all)-1].Facts)
		}
	})
}
