package delivery_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

var everything = registry.FreezeScope{Kind: "all"}

func TestFreezeNamesWhatWasPastItsFinalDot(t *testing.T) { synctest.Test(t, testFreezePast) }

func testFreezePast(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	var report gate.FreezeReport
	h.Hop.Answer = func(mail.Address) mail.Result { // the dot is sent, the reply is not there yet
		var err error
		if report, err = h.Gate.Freeze(h.ctx, h.Operator, everything, ""); err != nil {
			t.Error(err)
		}
		return mail.Result{Delivered: true, Code: 250}
	}
	h.RunUntil(m.ID, mail.Sent)
	if len(report.Past) != 1 || report.Past[0] != m.ID || len(report.Stopped) != 0 {
		t.Errorf("%+v", report)
	}
}

// A freeze that meets an attempt at any point: before DATA and before the dot
// it stops it; after the dot was allowed it says so.
func TestFreezeMeetsAnAttemptUnderWay(t *testing.T) {
	for _, at := range []mail.Phase{mail.BeforeData, mail.BeforeDot} {
		h := build(t)
		m := h.Approve(h.Submit())
		var once sync.Once
		var report gate.FreezeReport
		done := make(chan error, 1)
		h.Hop.Pause = func(ph mail.Phase) {
			if ph != at {
				return
			}
			once.Do(func() {
				go func() {
					var err error
					report, err = h.Gate.Freeze(h.ctx, h.Operator, everything, "")
					done <- err
				}()
				// The attempt goes on only once the freeze is committed.
				for frozen := false; !frozen; {
					changed := h.Nodes.PolicyChanged()
					h.View(func(tx store.Tx) (err error) {
						frozen, err = h.Registry.Frozen(tx, "bot", h.Box)
						return err
					})
					if !frozen {
						<-changed
					}
				}
			})
		}
		h.RunQueue(func() bool { return strings.Contains(h.Kinds(m.ID), "retry") })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(report.Stopped) != 1 || len(report.Past) != 0 || len(h.Hop.Sent()) != 0 {
			t.Errorf("phase %d: stopped %v, past %v, sent %d", at, report.Stopped, report.Past, len(h.Hop.Sent()))
		}
		h.Hop.Pause = nil
		if err := h.Gate.Thaw(h.ctx, h.Operator, everything); err != nil {
			t.Fatal(err)
		}
		if got := h.RunUntil(m.ID, mail.Sent); got.Attempts != 1 {
			t.Errorf("an attempt that policy stopped counts: %d", got.Attempts)
		}
		h.Intact()
	}
}

// Two nodes on one store: what one freezes, the other stops.
func TestAFreezeStopsTheAttemptOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		process := *h.System // another process on the same store
		process.Nodes = node.New()
		process.Gate = process.NewGate(h.DB, gate.Options{})
		d := delivers(&process, h.DB, h.Hop, delivery.Options{Node: "other"})
		reached, release := h.pauseBeforeDot()
		end := h.running(d)
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
		if r.err != nil || len(r.report.Stopped) != 1 || r.report.Stopped[0] != m.ID || len(h.Hop.Sent()) != 0 {
			t.Errorf("%+v, %d sent", r, len(h.Hop.Sent()))
		}
		end()
		h.Intact()
	})
}

// A next hop may never reply to a final dot. The dot is on its way, so there is
// nothing left to stop, and the freeze says so.
func TestAFreezeWaitsNotForEverForTheReplyToAFinalDot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		reached, release := make(chan struct{}), make(chan struct{})
		h.Hop.Answer = func(mail.Address) mail.Result {
			close(reached)
			<-release
			return mail.Result{Delivered: true, Code: 250}
		}
		defer h.running(h.Delivery)()
		<-reached
		start := time.Now()
		report, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "")
		if err != nil || len(report.Past) != 1 || report.Past[0] != m.ID || len(report.Stopped) != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		if waited := time.Since(start); waited < time.Second || waited > 10*time.Second {
			t.Errorf("it waited %s", waited)
		}
		close(release)
	})
}

// An attempt that asks for its final dot when the freeze is committed may have
// been allowed it before: the freeze waits for the answer.
func TestAFreezeWaitsForAnAttemptThatAsksForItsFinalDot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		frozen := h.Gate
		db := &broken{Store: h.DB}
		h.Gate = h.NewGate(db, gate.Options{})
		h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{})
		asks, answer := make(chan struct{}), make(chan struct{})
		h.Hop.Pause = func(ph mail.Phase) {
			if ph == mail.BeforeDot {
				db.viewed = func() { // policy was read, and the attempt does not know it yet
					db.viewed = nil
					close(asks)
					<-answer
				}
			}
		}
		defer h.running(h.Delivery)()
		<-asks
		var report gate.FreezeReport
		done := make(chan error, 1)
		go func() {
			var err error
			report, err = frozen.Freeze(h.ctx, h.Operator, everything, "")
			done <- err
		}()
		time.Sleep(10 * time.Second)
		select {
		case err := <-done:
			t.Fatalf("the freeze did not wait: %+v, %v", report, err)
		default:
		}
		close(answer)
		if err := <-done; err != nil || len(report.Past) != 1 || report.Past[0] != m.ID || len(h.Hop.Sent()) != 1 {
			t.Errorf("%+v, %v, %d sent", report, err, len(h.Hop.Sent()))
		}
	})
}

// An attempt asks policy itself, and may so be stopped before its node has
// applied the freeze. The report names it all the same.
func TestAnAttemptThatPolicyStopsBeforeTheFreezeIsAppliedIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		db := h.breakable()
		reached, release := h.pauseBeforeDot()
		defer h.running(h.Delivery)()
		<-reached
		db.blind.Store(true) // the node cannot read the new epoch
		var report gate.FreezeReport
		done := make(chan error, 1)
		go func() {
			var err error
			report, err = h.Gate.Freeze(h.ctx, h.Operator, everything, "")
			done <- err
		}()
		synctest.Wait()
		close(release)
		synctest.Wait()
		if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 0 || len(h.Hop.Sent()) != 0 {
			t.Errorf("%s after %d attempts, %d sent", got.State, got.Attempts, len(h.Hop.Sent()))
		}
		db.blind.Store(false)
		if err := <-done; err != nil || len(report.Stopped) != 1 || report.Stopped[0] != m.ID {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
