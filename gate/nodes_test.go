package gate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

var everything = registry.FreezeScope{Kind: "all"}

// other writes the record of another node of the installation.
func (h *fixture) other(applied uint64) {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		return h.Nodes.Begin(tx, node.Record{Name: "other", Session: "s", Applied: applied,
			Until: tx.Now().Add(node.LeaseTime)})
	})
}

// A freeze returns once every live node has applied it: one that is slow is
// waited for, one that is gone only until its lease is over.
func TestAFreezeWaitsForEveryLiveNode(t *testing.T) {
	for name, free := range map[string]func(h *fixture){
		"until it has applied the freeze": func(h *fixture) { h.other(1 << 20) },
		"until its lease is over":         func(h *fixture) { h.clock.Forward(node.LeaseTime) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				h.other(0)
				done := make(chan error, 1)
				go func() {
					_, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "")
					done <- err
				}()
				time.Sleep(10 * time.Second)
				select {
				case err := <-done:
					t.Fatalf("the freeze did not wait: %v", err)
				default:
				}
				free(h)
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAFreezeThatIsGivenUpIsStillInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.other(0)
		ctx, cancel := context.WithTimeout(h.ctx, time.Second)
		defer cancel()
		if _, err := h.Gate.Freeze(ctx, h.Operator, everything, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		h.View(func(tx store.Tx) error {
			frozen, err := h.Registry.Frozen(tx, "bot", h.box)
			if !frozen {
				t.Error("nothing is frozen")
			}
			return err
		})
	})
}

// A node that cannot renew its lease sends no final dot.
func TestANodeWithoutItsLeaseSendsNothing(t *testing.T) {
	for name, lose := range map[string]func(h *fixture){
		"the lease is over": func(h *fixture) { h.clock.Forward(node.LeaseTime) },
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
					m := h.approve(h.submit())
					h.hop.pause = func(ph mail.Phase) {
						if ph == at {
							lose(h)
							h.hop.pause = nil
						}
					}
					ctx, cancel := context.WithCancel(h.ctx)
					ended := make(chan error, 1)
					go func() { ended <- h.d.Run(ctx, h.ctx) }()
					synctest.Wait()
					if n := len(h.hop.sent()); n != 0 {
						t.Errorf("%d sent", n)
					}
					if got := h.mail(m.ID).State; got != mail.Ready {
						t.Errorf("the mail is %s", got)
					}
					cancel()
					if err := <-ended; err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// Two nodes on one store: what one freezes, the other stops.
func TestAFreezeStopsTheAttemptOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.approve(h.submit())
		process := *h.System // another process on the same store
		process.Nodes = node.New()
		there := process.NewGate(h.DB, gate.Options{})
		d, err := delivery.New(h.DB, there, h.Ledger, process.Nodes, h.hop,
			delivery.Options{Node: "other", Log: systemtest.Quiet, Stamps: []delivery.Stamp{stamp{}},
				Workers: 1, Lease: time.Hour, FirstRetry: time.Minute, MaxRetry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		reached, release := make(chan struct{}), make(chan struct{})
		h.hop.pause = func(ph mail.Phase) {
			if ph == mail.BeforeDot {
				close(reached)
				<-release
			}
		}
		ctx, cancel := context.WithCancel(h.ctx)
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx, h.ctx) }()
		<-reached
		type result struct {
			report gate.FreezeReport
			err    error
		}
		done := make(chan result, 1)
		go func() {
			r, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "")
			done <- result{r, err}
		}()
		time.Sleep(5 * time.Second) // the other node reads the epoch each second
		select {
		case r := <-done:
			t.Fatalf("the freeze did not wait for the attempt: %+v", r)
		default:
		}
		close(release)
		r := <-done
		if r.err != nil || len(r.report.Stopped) != 1 || r.report.Stopped[0] != m.ID || len(h.hop.sent()) != 0 {
			t.Errorf("%+v, %d sent", r, len(h.hop.sent()))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.intact()
	})
}
