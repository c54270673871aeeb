package delivery_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// A node that cannot renew its lease sends no final dot.
func TestANodeWithoutItsLeaseSendsNothing(t *testing.T) {
	for _, at := range []mail.Phase{mail.BeforeData, mail.BeforeDot} {
		synctest.Test(t, func(t *testing.T) {
			h := build(t)
			m := h.Approve(h.Submit())
			h.Hop.Pause = func(ph mail.Phase) {
				if ph != at {
					return
				}
				h.Update(func(tx store.Tx) error { // another process takes its name
					r := node.Record{Name: systemtest.Node, Session: "other", Until: tx.Now().Add(node.LeaseTime)}
					return h.Nodes.Begin(tx, r)
				})
				h.Hop.Pause = nil
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
	}
}

// record returns the record of the node.
func (h *fixture) record() (r node.Record) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		b, err := storetest.Records(tx).Get("node/" + systemtest.Node)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &r)
	})
	return r
}

func TestANodeThatCannotRenewItsLeaseSendsNothingUntilItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		db := h.breakable()
		defer h.running(h.Delivery)()
		h.pass(time.Second)
		before := h.record()

		db.fail.Store(true)
		h.pass(node.LeaseTime)
		m := h.Submit()
		h.pass(time.Minute)
		if got := h.record(); !got.Until.Before(h.Clock.Now()) {
			t.Fatalf("the lease is until %s: the store is not broken", got.Until)
		}
		if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 0 || len(h.Hop.Sent()) != 0 {
			t.Errorf("without a lease: %s after %d attempts, %d sent", got.State, got.Attempts, len(h.Hop.Sent()))
		}

		db.fail.Store(false)
		h.pass(2 * time.Minute)
		if got := h.Mail(m.ID); got.State != mail.Sent || got.Attempts != 1 || len(h.Hop.Sent()) != 1 {
			t.Errorf("with a lease: %s after %d attempts, %d sent", got.State, got.Attempts, len(h.Hop.Sent()))
		}
		if got := h.record(); got.Session != before.Session || !got.Until.After(h.Clock.Now()) {
			t.Errorf("the record is %+v", got)
		}
	})
}

func TestALeaseIsRenewedForAsLongAsTheNodeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		defer h.running(h.Delivery)()
		for range 100 {
			h.pass(time.Second)
			if got := h.record().Until.Sub(h.Clock.Now()); got < node.LeaseTime-node.RenewTime-time.Second {
				t.Fatalf("%s are left of the lease", got)
			}
		}
	})
}

// A clock that is set forward ends every lease at once. The node must not wait
// for its next renewal: nothing leaves until then.
func TestALeaseThatAJumpOfTheClockEndsIsRenewedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		defer h.running(h.Delivery)()
		h.pass(time.Second)
		h.Clock.Forward(24 * time.Hour)
		h.pass(2 * time.Second) // it is looked at each second
		if got := h.record().Until.Sub(h.Clock.Now()); got < node.LeaseTime-2*time.Second {
			t.Errorf("%s are left of the lease", got)
		}
		h.SetMode(mail.Autonomous)
		m := h.Submit()
		synctest.Wait()
		if got := h.Mail(m.ID); got.State != mail.Sent {
			t.Errorf("the mail is %s", got.State)
		}
	})
}

func TestANodeThatEndsKeepsNoFreezeWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		end := h.running(h.Delivery)
		h.pass(time.Second)
		if got := h.record(); !got.Until.After(h.Clock.Now()) {
			t.Fatalf("while it runs its lease is until %s", got.Until)
		}
		end()
		if got := h.record(); !got.Until.IsZero() {
			t.Errorf("after its end its lease is until %s", got.Until)
		}
		start := time.Now()
		if _, err := h.Gate.Freeze(h.ctx, h.Operator, everything, ""); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the freeze waited %s for a node that has ended", waited)
		}
	})
}

// The end of a node waits for the attempts under way, and so long it keeps its
// lease: a freeze still waits for it.
func TestANodeThatIsEndingHoldsItsLeaseForItsLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		reached, release := h.pauseBeforeDot()
		ctx, cancel := context.WithCancel(h.ctx)
		ended := make(chan error, 1)
		go func() { ended <- h.Delivery.Run(ctx, h.ctx) }()
		<-reached
		cancel()
		h.pass(2 * node.LeaseTime)
		if got := h.record(); !got.Until.After(h.Clock.Now()) {
			t.Errorf("its lease is until %s", got.Until)
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := h.Mail(m.ID); got.State != mail.Sent || !h.record().Until.IsZero() {
			t.Errorf("%s, the lease is until %s", got.State, h.record().Until)
		}
	})
}

// What a freeze has stopped is reported although the store failed when it was
// to be recorded, and to this freeze alone.
func TestAStopThatCouldNotBeRecordedIsRecordedAtTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		db := h.breakable()
		reached, release := h.pauseBeforeDot()
		defer h.running(h.Delivery)()
		<-reached
		db.fail.Store(true)
		var report gate.FreezeReport
		done := make(chan error, 1)
		go func() {
			var err error
			report, err = h.Gate.Freeze(h.ctx, h.Operator, everything, "")
			done <- err
		}()
		synctest.Wait()
		close(release)
		h.pass(3 * time.Second)
		if got := h.Mail(m.ID); got.State != mail.Ready {
			t.Errorf("the mail is %s", got.State)
		}
		select {
		case err := <-done:
			t.Fatalf("the freeze returned with nothing on record: %+v, %v", report, err)
		default:
		}
		db.fail.Store(false)
		h.pass(2 * time.Second)
		select {
		case err := <-done:
			if err != nil || len(report.Stopped) != 1 || report.Stopped[0] != m.ID || len(report.Past) != 0 {
				t.Errorf("%+v, %v", report, err)
			}
		default:
			t.Error("the freeze still waits")
		}
		if report, err := h.Gate.Freeze(h.ctx, h.Operator, everything, ""); err != nil || len(report.Stopped) != 0 {
			t.Errorf("the same freeze again: %+v, %v", report, err)
		}
		another := registry.FreezeScope{Kind: "agent", Name: "bot"}
		if report, err := h.Gate.Freeze(h.ctx, h.Operator, another, ""); err != nil || len(report.Stopped) != 0 {
			t.Errorf("another freeze: %+v, %v", report, err)
		}
	})
}
