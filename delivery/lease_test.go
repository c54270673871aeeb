package delivery_test

import (
	"testing"
	"testing/synctest"

	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// A node that cannot renew its lease sends no final dot.
func TestANodeWithoutItsLeaseSendsNothing(t *testing.T) {
	for name, lose := range map[string]func(h *fixture){
		"the lease is over": func(h *fixture) { h.Clock.Forward(node.LeaseTime) },
		"another process has its name": func(h *fixture) {
			h.Update(func(tx store.Tx) error {
				return h.Nodes.Begin(tx, node.Record{Name: systemtest.Node, Session: "other", Until: tx.Now().Add(node.LeaseTime)})
			})
		},
	} {
		for _, at := range []mail.Phase{mail.BeforeData, mail.BeforeDot} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := build(t)
					m := h.Approve(h.Submit())
					h.Hop.Pause = func(ph mail.Phase) {
						if ph == at {
							lose(h)
							h.Hop.Pause = nil
						}
					}
					end := h.running(h.Delivery)
					synctest.Wait()
					if n := len(h.Hop.Sent()); n != 0 {
						t.Errorf("%d sent", n)
					}
					if got := h.Mail(m.ID).State; got != mail.Ready {
						t.Errorf("the mail is %s", got)
					}
					end()
				})
			})
		}
	}
}
