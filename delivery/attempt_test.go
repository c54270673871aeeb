package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

func TestTemporaryFailuresAreRetriedUntilTheLifetimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.Hop.Answer = func(mail.Address) mail.Result {
			return mail.Result{Code: 451, Enhanced: "4.2.0", Message: "busy"}
		}
		m := h.Approve(h.Submit())
		var waits []time.Duration
		for range 12 {
			h.RunIdle()
			m = h.Mail(m.ID)
			wait := m.NextAttempt.Sub(h.Clock.Now())
			waits = append(waits, wait)
			h.Clock.Forward(wait)
		}
		want := "[1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h4m0s 2h8m0s 4h0m0s 4h0m0s 4h0m0s 4h0m0s]"
		if got := fmt.Sprint(waits); got != want {
			t.Errorf("waits %s, want %s", got, want)
		}
		h.Clock.Forward(5 * 24 * time.Hour)
		h.RunIdle()
		if m = h.Mail(m.ID); m.State != mail.Failed || m.Attempts != 13 {
			t.Fatalf("%s after %d attempts", m.State, m.Attempts)
		}
		n := h.Notices()
		if len(n) != 1 || n[0].Action != "failed" || !strings.Contains(n[0].Text, "4.4.7") ||
			!strings.Contains(n[0].Text, "the time for delivery is over") || strings.Contains(n[0].Text, "busy") {
			t.Errorf("notices: %+v", n)
		}
		h.Intact()
	})
}

// A retry sends only to who is pending, and the same octets.
func TestRetriesSendTheSameOctetsToWhoIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		tries := 0
		h.Hop.Answer = func(a mail.Address) mail.Result {
			if tries++; a.Local() == "bob" && tries < 3 {
				return mail.Result{Code: 450, Enhanced: "4.2.1"}
			}
			return mail.Result{Delivered: true, Code: 250}
		}
		m := h.Approve(h.Submit("ada@dest.test", "bob@dest.test"))
		h.RunIdle()
		h.Clock.Forward(time.Hour)
		h.SetMode(mail.Autonomous) // the stamps tell how it was released, not how it would be now
		h.RunIdle()
		w := h.Hop.Sent()
		if len(w) != 2 || strings.Join(w[0].To, " ") != "ada@dest.test" || strings.Join(w[1].To, " ") != "bob@dest.test" ||
			w[0].Bytes != w[1].Bytes {
			t.Errorf("%+v", w)
		}
		if got := h.Kinds(m.ID); got != "submit approve claim retry claim sent" {
			t.Errorf("entries: %s", got)
		}
	})
}

// What a dead process had claimed is sent again with the same octets; a late
// answer of the old attempt changes nothing.
func TestALostLeaseIsReadyAgain(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	entered, release := make(chan struct{}), make(chan struct{})
	h.Hop.Answer = func(mail.Address) mail.Result {
		close(entered)
		<-release
		return mail.Result{Delivered: true}
	}
	old, stopOld := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	dying := h.Delivery
	go func() { ended <- dying.Run(old, h.ctx) }()
	<-entered

	hop2 := &systemtest.Hop{}
	h.Delivery = h.delivers(h.DB, hop2, delivery.Options{})
	h.Clock.Forward(time.Minute)
	h.RunUntil(m.ID, mail.Sent)
	close(release)
	stopOld()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := h.Kinds(m.ID); got != "submit approve claim lapse claim sent" {
		t.Errorf("entries: %s", got)
	}
	if a, b := h.Hop.Sent(), hop2.Sent(); len(a) != 1 || len(b) != 1 || a[0].Bytes != b[0].Bytes {
		t.Errorf("%v\n%v", a, b)
	}
	h.Intact()
}

func TestAPanicInADeliveryHurtsOnlyItsMail(t *testing.T) {
	h := build(t)
	var once sync.Once
	h.Hop.Answer = func(mail.Address) mail.Result {
		once.Do(func() { panic("boom") })
		return mail.Result{Delivered: true}
	}
	a, b := h.Approve(h.Submit()), h.Approve(h.Submit())
	h.RunQueue(func() bool {
		return h.Mail(a.ID).State == mail.Sent && strings.Contains(h.Kinds(b.ID), "retry") ||
			h.Mail(b.ID).State == mail.Sent && strings.Contains(h.Kinds(a.ID), "retry")
	})
	h.Intact()
}

// failing is a stamp without a key.
type failing struct{}

func (failing) Stamp(context.Context, *mail.Mail, []byte) ([]byte, error) {
	return nil, errors.New("no key")
}

func TestWithoutAStampNothingLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{Stamps: []delivery.Stamp{failing{}}})
		m := h.Approve(h.Submit())
		h.RunIdle()
		if m = h.Mail(m.ID); m.State != mail.Ready || m.Attempts != 0 || !m.NextAttempt.After(h.Clock.Now()) ||
			len(h.Hop.Sent()) != 0 {
			t.Errorf("%s, %d attempts, next %s", m.State, m.Attempts, m.NextAttempt)
		}
	})
}

// A mailbox with much mail must not make another one wait.
func TestMailboxesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{Workers: 1})
		h.SetMode(mail.Autonomous)
		for i := range 20 { // many destinations must not buy many turns
			h.Submit(fmt.Sprintf("ada@d%d.test", i))
		}
		small := mail.MustAddress("small@example.test")
		h.Update(func(tx store.Tx) error {
			if _, err := h.Registry.AddMailbox(tx, h.Operator, small, []string{"bot"}); err != nil {
				return err
			}
			_, err := h.Registry.SetMode(tx, h.Operator, small, mail.Autonomous)
			return err
		})
		h.View(func(tx store.Tx) (err error) { h.Agent, err = h.Registry.Current(tx, h.Agent); return err })
		s := h.Submission("ada@dest.test")
		s.Mailbox, s.Envelope.From = small, small
		s.Raw = []byte(strings.Replace(systemtest.Text, "bot@", "small@", 1))
		r, err := h.Gate.Submit(h.ctx, h.Agent, s)
		if err != nil {
			t.Fatal(err)
		}
		h.RunIdle()
		w := h.Hop.Sent()
		if len(w) != 21 || w[0].ID != r.Mail.ID && w[1].ID != r.Mail.ID {
			t.Errorf("%d sent, the small mailbox did not come second at the latest", len(w))
		}
	})
}

// panicky is a stamp with a bug.
type panicky struct{}

func (panicky) Stamp(context.Context, *mail.Mail, []byte) ([]byte, error) { panic("boom") }

func TestAPanicInAStampIsThatMailsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{Stamps: []delivery.Stamp{panicky{}}})
		m := h.Approve(h.Submit())
		h.RunIdle()
		if got := h.Mail(m.ID); got.State != mail.Ready || !got.NextAttempt.After(h.Clock.Now()) {
			t.Errorf("%s, next %s", got.State, got.NextAttempt)
		}
	})
}

func TestScheduledMailWaitsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		s := h.Submission("ada@dest.test")
		s.NotBefore = h.Clock.Now().Add(time.Hour)
		r, err := h.Gate.Submit(h.ctx, h.Agent, s)
		if err != nil {
			t.Fatal(err)
		}
		h.Approve(r.Mail)
		h.RunIdle()
		if len(h.Hop.Sent()) != 0 {
			t.Error("sent before its time")
		}
		h.Clock.Forward(time.Hour)
		h.RunUntil(r.Mail.ID, mail.Sent)
	})
}

// silent is a next hop that never replies.
type silent struct{ *systemtest.Hop }

func (silent) Deliver(
	ctx context.Context, _ *mail.Mail, _ []byte, _ func(mail.Phase) error,
) []mail.Result {
	<-ctx.Done()
	return nil
}

// Beyond its lease another node may send the mail.
func TestAnAttemptEndsBeforeItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.Delivery = h.delivers(h.DB, silent{h.Hop}, delivery.Options{})
		m := h.Approve(h.Submit())
		defer h.running(h.Delivery)()
		h.pass(time.Second)
		until := h.Mail(m.ID).Lease.Until
		for h.Clock.Now().Add(10 * time.Second).Before(until) {
			h.pass(10 * time.Second)
		}
		if got := h.Kinds(m.ID); !strings.HasPrefix(got, "submit approve claim retry") {
			t.Errorf("its lease is nearly over, and the entries are %s", got)
		}
	})
}

// A store that takes no results keeps the worker no longer than the lease; then
// the mail is given back, and sent again.
func TestResultsThatCannotBeRecordedAreGivenUpWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		db := &broken{Store: h.DB}
		whole := h.Gate
		h.Gate = h.NewGate(db, gate.Options{})
		h.Delivery = h.delivers(h.DB, h.Hop, delivery.Options{})
		h.Gate = whole
		h.Hop.Answer = func(mail.Address) mail.Result {
			db.fail.Store(true)
			return mail.Result{Delivered: true, Code: 250}
		}
		m := h.Approve(h.Submit())
		end := h.running(h.Delivery)
		h.pass(time.Second)
		until := h.Mail(m.ID).Lease.Until
		for h.Clock.Now().Before(until.Add(10 * time.Second)) {
			h.pass(10 * time.Second)
		}
		if got := h.Mail(m.ID); got.State != mail.Sending || len(h.Hop.Sent()) != 1 {
			t.Errorf("%s, %d sent", got.State, len(h.Hop.Sent()))
		}
		h.Hop.Answer = nil
		db.fail.Store(false)
		h.pass(2 * time.Minute)
		end()
		w := h.Hop.Sent()
		if got := h.Mail(m.ID); got.State != mail.Sent || h.Kinds(m.ID) != "submit approve claim lapse claim sent" ||
			len(w) != 2 || w[0].Bytes != w[1].Bytes {
			t.Errorf("%s, %d sent, entries %s", got.State, len(w), h.Kinds(m.ID))
		}
		h.Intact()
	})
}
