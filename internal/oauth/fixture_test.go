package oauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/mailtest"
)

const (
	tenantA = "aaaaaaaa-1111-2222-3333-444444444444"
	tenantB = "bbbbbbbb-1111-2222-3333-444444444444"
	agentID = "cccccccc-1111-2222-3333-444444444444"
	userID  = "dddddddd-1111-2222-3333-444444444444"
	parent  = "eeeeeeee-1111-2222-3333-444444444444"
	ours    = "api://multimail"
)

var now = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

// facts are those of a good Entra token.
var facts = mailtest.Entra{Tenant: tenantA, Audience: ours, Agent: agentID, User: userID, Blueprint: parent,
	Scopes: []string{"Mail.Send", "Mail.Read"}, Now: now}

// bench is a verifier and the issuer whose tokens it takes.
type bench struct {
	*Verifier
	issuer *mailtest.Issuer
	now    time.Time
	counts map[string]int
}

// lockedLog gathers a log while others read it.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const issuers = `
[smtp]
tls_cert_file = 'c'
tls_key_file = 'k'

[[issuer]]
name = 'entra'
preset = 'entra'
audiences = ['api://multimail', '12345678-1111-2222-3333-444444444444']
tenants = ['` + tenantA + `', '` + tenantB + `']
jwks_url = 'https://keys.example/keys'
[issuer.scopes]
read = ['Mail.Read']
send = ['Mail.Send']
oversight = ['Oversight.Decide']
oversight_read = ['Oversight.Read']
audit_read = ['AuditLog.Read']
tighten = ['Policy.Tighten']
[[issuer.provision]]
tenant = '` + tenantA + `'
role = 'Agent'
address = 'agent-{object}@example.com'

[[issuer]]
name = 'id'
issuer = 'https://id.example'
jwks_url = 'https://keys.example/keys'
audiences = ['multimail']
algorithms = ['RS256', 'ES256']
scopes = { read = ['mail.read'], send = ['mail.send'] }

[[issuer]]
name = 'tenanted'
issuer = 'https://tenanted.example/'
jwks_url = 'https://keys.example/keys'
audiences = ['multimail']
tenants = ['red', 'blue']
tenant_claim = 'org'
object_claim = 'azp'
person_claim = 'user'
scope_claim = 'permissions'
scopes = { send = ['mail:send'] }
`

// options are those of a verifier with these issuers.
func options(tb testing.TB, conf string, clock func() time.Time) Options {
	tb.Helper()
	c, err := config.Parse("test", conf)
	if err != nil {
		tb.Fatal(err)
	}
	return Options{Issuers: c.Issuers, Now: clock, Trusted: func() bool { return true },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Count: func(string) {}}
}

// open returns a verifier with an issuer that answers without a network.
func open(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{issuer: mailtest.NewIssuer(tb), now: now, counts: map[string]int{}}
	b.issuer.AddKey(tb, "ec")
	o := options(tb, issuers, func() time.Time { return b.now })
	o.Count = func(result string) { b.counts[result]++ }
	var err error
	if b.Verifier, err = newVerifier(o, b.issuer); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	if err := b.Ready(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return b
}

// accept returns what a good token says.
func (b *bench) accept(t *testing.T, token string) Token {
	t.Helper()
	got, err := b.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
	return got
}

// refused returns the reason why a token is refused.
func refused(ctx context.Context, v *Verifier, token string) (*Refusal, error) {
	_, err := v.Verify(ctx, token)
	var r *Refusal
	errors.As(err, &r)
	return r, err
}

// keyFile writes the keys of an issuer to a file.
func keyFile(tb testing.TB, is *mailtest.Issuer) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keys.json")
	if err := os.WriteFile(path, is.JWKS(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// with returns claims with some of them changed; nil takes one away.
func with(c map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		} else {
			c[pairs[i].(string)] = pairs[i+1]
		}
	}
	return c
}
