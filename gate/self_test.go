package gate_test

import (
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// No credential may both send and decide, so the mail is made by hand.
func TestWhoBroughtAMailNeverDecidesOverIt(t *testing.T) {
	h := build(t)
	h.SetMode(mail.GatedAll)
	raw := []byte("From: ada@dest.test\r\nTo: bot@example.test\r\n\r\nHello.\r\n")
	m := &mail.Mail{ID: mail.NewID(h.Clock.Now()), Direction: mail.Incoming, Mailbox: h.Box, Author: h.Approver.ID(),
		SubmittedAt: h.Clock.Now(), Envelope: mail.Envelope{Rcpts: []mail.Rcpt{{Addr: h.Box, Standing: mail.Delivered}}}}
	m.HoldFor = 1 << 50
	m.Digest = mail.DigestOf(m.Envelope, raw)
	h.Update(func(tx store.Tx) error {
		return gate.Put(h.Gate, tx, m, store.Inline(queue.RawKey(m.ID), raw))
	})
	for _, yes := range []bool{true, false} {
		_, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Approve: yes, Digest: m.Digest})
		if mail.WordOf(err) != "self" || h.Mail(m.ID).State != mail.Held {
			t.Errorf("approve %t: %v, the mail is %s", yes, err, h.Mail(m.ID).State)
		}
	}
}
