package delivery_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// lateHop delays between the reading of the dispatcher and the attempt.
type lateHop struct {
	*systemtest.Hop
	reserve func()
}

func (l lateHop) Reserve(m *mail.Mail) (func(), bool) { l.reserve(); return l.Hop.Reserve(m) }

func TestTwoNodesSendAMailOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		claimed, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		h.Hop.Pause = func(ph mail.Phase) {
			if ph == mail.BeforeDot {
				once.Do(func() { close(claimed); <-goOn })
			}
		}
		process := *h.System
		process.Nodes = node.New()
		process.Gate = process.NewGate(h.DB, gate.Options{})
		hop2 := lateHop{&systemtest.Hop{}, func() { <-claimed }} // b read it when it was ready, and is a little later
		b := delivers(&process, h.DB, hop2, delivery.Options{Node: "other"})
		endB := h.running(b)
		m := h.Approve(h.Submit())
		synctest.Wait()
		endA := h.running(h.Delivery)
		time.Sleep(3 * time.Second)
		close(goOn)
		time.Sleep(3 * time.Second)
		if n := len(h.Hop.Sent()) + len(hop2.Sent()); n != 1 {
			t.Errorf("sent %d times; entries: %s", n, h.Kinds(m.ID))
		}
		endA()
		endB()
	})
}

func TestAFreezeWaitsForAllRepliesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{Workers: 64})
		var mu sync.Mutex
		in := 0
		release := make(chan struct{})
		h.Hop.Answer = func(mail.Address) mail.Result {
			mu.Lock()
			in++
			mu.Unlock()
			<-release
			return mail.Result{Delivered: true, Code: 250}
		}
		for i := range 48 {
			h.Submit(fmt.Sprintf("ada@d%d.test", i))
		}
		end := h.running(h.Delivery)
		time.Sleep(20 * time.Second)
		mu.Lock()
		n := in
		mu.Unlock()
		start := time.Now() // of the bubble
		r, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "")
		took := time.Since(start)
		if n < 10 || len(r.Past) != n || err != nil || took > 6*time.Second {
			t.Errorf("%d attempts past their dot: the freeze took %s and reports %d, %v", n, took, len(r.Past), err)
		}
		close(release)
		end()
	})
}

// twoHop makes two transactions for one mail: the first is done, the second asks afterwards.
type twoHop struct {
	*systemtest.Hop
	between func()
}

func (w twoHop) Deliver(
	_ context.Context, m *mail.Mail, _ []byte, proceed func(mail.Phase) error,
) (res []mail.Result) {
	rc := m.Recipients(mail.Pending)
	for i, a := range rc {
		if i == 1 {
			w.between()
		}
		if proceed(mail.BeforeData) != nil || proceed(mail.BeforeDot) != nil {
			res = append(res, mail.Result{Addr: a, Stopped: true})
			continue
		}
		res = append(res, mail.Result{Addr: a, Delivered: true, Code: 250})
	}
	return res
}

func TestAMailOfWhichOneTransactionWasDeliveredIsReportedAsPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		// another process freezes, so that this node learns of it by its poll
		process := *h.System
		process.Nodes = node.New()
		process.Gate = process.NewGate(h.DB, gate.Options{})
		type res struct {
			r   gate.FreezeReport
			err error
		}
		done := make(chan res, 1)
		hop := twoHop{h.Hop, func() {
			go func() {
				r, err := process.Gate.Freeze(h.ctx, h.Operator, everything, "")
				done <- res{r, err}
			}()
			time.Sleep(100 * time.Millisecond)
		}}
		d := h.delivers(h.DB, hop, delivery.Options{})
		m := h.Submit("ada@d1.test", "bob@d2.test")
		time.Sleep(300 * time.Millisecond)
		end := h.running(d)
		x := <-done
		if x.err != nil || len(x.r.Past) != 1 {
			t.Errorf("ada got it, yet the report says stopped %v past %v (%v); mail %s", x.r.Stopped, x.r.Past, x.err, m.ID)
		}
		end()
	})
}

// The clock steps forward by less than what puts it in doubt.
func TestAClockThatStepsForwardMakesNoNodeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		reached, release := make(chan struct{}), make(chan struct{})
		h.Hop.Answer = func(mail.Address) mail.Result { // the dot is allowed, not yet written
			close(reached)
			<-release
			return mail.Result{Delivered: true, Code: 250}
		}
		end := h.running(h.Delivery)
		<-reached
		h.Clock.Forward(40 * time.Second)
		start := time.Now()
		r, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "")
		if err != nil {
			t.Fatal(err)
		}
		close(release)
		time.Sleep(time.Second)
		if len(r.Past) != 1 {
			t.Errorf("after %s: %+v, although %s was past its dot", time.Since(start), r, m.ID)
		}
		end()
	})
}

func TestAFreezeThatWasInForceReportsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.Approve(h.Submit())
		var once sync.Once
		h.Hop.Pause = func(mail.Phase) {
			once.Do(func() {
				go h.Gate.Freeze(h.ctx, h.Operator, everything, "")
				time.Sleep(2 * time.Second)
			})
		}
		end := h.running(h.Delivery)
		time.Sleep(10 * time.Second)
		r, err := h.Gate.Freeze(h.ctx, h.Operator, everything, "")
		if len(r.Stopped) != 0 || err != nil {
			t.Errorf("nothing was under way, yet stopped %v, %v", r.Stopped, err)
		}
		end()
	})
}

func TestALeaseThatIsOverForAMomentPutsNoMailOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		end := h.running(h.Delivery)
		synctest.Wait()
		h.Clock.Forward(40 * time.Second)
		var ids []mail.ID
		for range 40 {
			ids = append(ids, h.Submit().ID)
		}
		time.Sleep(30 * time.Second)
		late := 0
		for _, id := range ids {
			if m := h.Mail(id); m.State == mail.Ready && m.NextAttempt.After(h.Clock.Now().Add(50*time.Second)) {
				late++
			}
		}
		if late > 0 {
			t.Errorf("%d of %d mails were put off by a minute", late, len(ids))
		}
		end()
	})
}
