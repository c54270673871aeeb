package gate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
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
		"until its lease is over":         func(h *fixture) { h.Clock.Forward(node.LeaseTime + node.Grace) },
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
			frozen, err := h.Registry.Frozen(tx, "bot", h.Box)
			if !frozen {
				t.Error("nothing is frozen")
			}
			return err
		})
	})
}
