package smtpd

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// endingGate stops to know the principal of a session when a test says so.
type endingGate struct {
	fakeGate
	ended atomic.Bool
}

func (g *endingGate) Admit(
	ctx context.Context, p registry.Principal, from mail.Address, size int64, codes gate.Codes,
) error {
	if g.ended.Load() {
		return registry.ErrCredentials
	}
	return g.fakeGate.Admit(ctx, p, from, size, codes)
}

func (g *endingGate) Submit(ctx context.Context, p registry.Principal, s gate.Submission) (gate.Receipt, error) {
	if g.ended.Load() {
		return gate.Receipt{}, registry.ErrCredentials
	}
	return g.fakeGate.Submit(ctx, p, s)
}

// A 5xx would bounce the mail, and a session cannot log in again.
func TestASessionWhoseCredentialEndedIsClosed(t *testing.T) {
	const over = "421 4.7.0 this login is over"
	begin := func(t *testing.T) (*peer, *endingGate) {
		g := &endingGate{}
		srv, err := New(g, newFakeAuth(), options())
		if err != nil {
			t.Fatal(err)
		}
		return dial(t, srv, true).login(), g
	}
	t.Run("at MAIL", func(t *testing.T) {
		p, g := begin(t)
		p.do("MAIL FROM:<"+mailbox+">", "250")
		p.do("RSET", "250")
		g.ended.Store(true)
		p.do("MAIL FROM:<"+mailbox+">", over)
		p.expect("")
	})
	t.Run("at the end of DATA", func(t *testing.T) {
		p, g := begin(t)
		p.do("MAIL FROM:<"+mailbox+">", "250")
		p.do("RCPT TO:<a@dest.test>", "250")
		p.do("DATA", "354")
		g.ended.Store(true)
		p.send("a: b\r\n\r\n.\r\n")
		p.expect(over)
		p.expect("")
		if n := len(g.stored()); n != 0 {
			t.Errorf("%d mails were taken", n)
		}
	})
	t.Run("in a pipeline", func(t *testing.T) {
		p, g := begin(t)
		g.ended.Store(true)
		p.send("MAIL FROM:<" + mailbox + ">\r\nRCPT TO:<a@dest.test>\r\nDATA\r\n")
		p.expect(over)
		p.expect("")
	})
}
