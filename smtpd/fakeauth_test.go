package smtpd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"sync"

	"github.com/xdg-go/scram"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// The tokens that fakeAuth knows.
const (
	rightToken = "right-token"
	annsToken  = "token-of-an-approver"
	downToken  = "token-of-an-issuer-that-does-not-answer"
)

// fakeAuth knows one agent, by each kind of credential.
type fakeAuth struct {
	down     bool
	noTokens bool

	mu      *sync.Mutex
	refused *[]string // the user names of logins that were recorded as refused
	tokens  *[]string // that were verified
}

func newFakeAuth() fakeAuth {
	return fakeAuth{mu: new(sync.Mutex), refused: new([]string), tokens: new([]string)}
}

var demo = registry.Principal{Kind: registry.KindAgent, Name: user, Agent: user,
	Mailboxes: []mail.Address{mail.MustAddress(mailbox)}}

func (a fakeAuth) Refuse(_ context.Context, _ registry.CredentialKind, u string, _ registry.Origin) error {
	if a.mu != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		*a.refused = append(*a.refused, u)
	}
	return registry.ErrCredentials
}

// is returns demo, or a refusal.
func (a fakeAuth) is(ok bool, u string) (registry.Principal, error) {
	switch {
	case a.down:
		return registry.Principal{}, io.ErrUnexpectedEOF
	case !ok:
		return registry.Principal{}, a.Refuse(context.Background(), "", u, registry.Origin{})
	}
	return demo, nil
}

func (a fakeAuth) ByPassword(_ context.Context, u, p string, _ registry.Origin) (registry.Principal, error) {
	return a.is((u == user || u == mailbox) && p == password, u)
}

func (a fakeAuth) TakesTokens() bool { return !a.noTokens }

func (a fakeAuth) ByToken(_ context.Context, token string, _ registry.Origin) (registry.Principal, error) {
	if a.mu != nil {
		a.mu.Lock()
		*a.tokens = append(*a.tokens, token)
		a.mu.Unlock()
	}
	if token == downToken {
		return registry.Principal{}, mail.ErrUnavailable.Errorf("the issuer does not answer")
	}
	if token == annsToken {
		return registry.Principal{Kind: registry.KindApprover, Name: "ann"}, nil
	}
	return a.is(token == rightToken, "")
}

func (a fakeAuth) ByCertificate(
	_ context.Context, chain []*x509.Certificate, _ registry.Origin,
) (registry.Principal, error) {
	return a.is(chain[0].Subject.CommonName == user, "")
}

// SCRAM gives a user who is not here values of the same form.
func (a fakeAuth) SCRAM(_ context.Context, u string) (registry.SCRAM, error) {
	if a.down {
		return registry.SCRAM{}, io.ErrUnexpectedEOF
	}
	h := hmac.New(sha256.New, []byte("a secret of the server"))
	h.Write([]byte(u))
	salt := h.Sum(nil)[:16]
	c, err := scram.SHA256.NewClient(u, password, "")
	if err != nil {
		return registry.SCRAM{}, err
	}
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: 4096})
	if err != nil {
		return registry.SCRAM{}, err
	}
	if u != user {
		k.StoredKey = make([]byte, 32)
	}
	return registry.SCRAM{Salt: salt, Iterations: k.Iters, StoredKey: k.StoredKey, ServerKey: k.ServerKey}, nil
}

func (a fakeAuth) BySCRAM(
	_ context.Context, _ registry.SCRAM, u string, _ registry.Origin,
) (registry.Principal, error) {
	return a.is(u == user, u)
}
