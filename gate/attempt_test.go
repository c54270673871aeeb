package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestFreezeNamesWhatWasPastItsFinalDot(t *testing.T) { synctest.Test(t, testFreezePast) }

func testFreezePast(t *testing.T) {
	h := build(t)
	m := h.approve(h.submit())
	var report gate.FreezeReport
	h.hop.answer = func(mail.Address) mail.Result { // the dot is sent, the reply is not there yet
		var err error
		if report, err = h.Gate.Freeze(h.ctx, h.Operator, registry.FreezeScope{Kind: "all"}, ""); err != nil {
			t.Error(err)
		}
		return mail.Result{Delivered: true, Code: 250}
	}
	h.runUntil(m.ID, mail.Sent)
	if len(report.Past) != 1 || report.Past[0] != m.ID || len(report.Stopped) != 0 {
		t.Errorf("%+v", report)
	}
}

func TestTemporaryFailuresAreRetriedUntilTheLifetimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.hop.answer = func(mail.Address) mail.Result {
			return mail.Result{Code: 451, Enhanced: "4.2.0", Message: "busy"}
		}
		m := h.approve(h.submit())
		var waits []time.Duration
		for range 12 {
			h.runIdle()
			m = h.mail(m.ID)
			wait := m.NextAttempt.Sub(h.clock.Now())
			waits = append(waits, wait)
			h.clock.Forward(wait)
		}
		want := "[1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h4m0s 2h8m0s 4h0m0s 4h0m0s 4h0m0s 4h0m0s]"
		if got := fmt.Sprint(waits); got != want {
			t.Errorf("waits %s, want %s", got, want)
		}
		h.clock.Forward(5 * 24 * time.Hour)
		h.runIdle()
		if m = h.mail(m.ID); m.State != mail.Failed || m.Attempts != 13 {
			t.Fatalf("%s after %d attempts", m.State, m.Attempts)
		}
		n := h.notices()
		if len(n) != 1 || n[0].Action != "failed" || !strings.Contains(n[0].Text, "4.4.7") ||
			!strings.Contains(n[0].Text, "busy") {
			t.Errorf("notices: %+v", n)
		}
		h.intact()
	})
}

func TestEachRecipientHasItsOwnResult(t *testing.T) {
	for _, c := range []struct {
		name, bad string
		notify    []string
		state     mail.State
		notices   int
	}{
		{"one of two fails", "ada@dest.test", nil, mail.Sent, 1},
		{"both fail", "@dest.test", nil, mail.Failed, 1},
		{"nobody wants to hear of it", "ada@dest.test", []string{"NEVER"}, mail.Sent, 0},
		{"success is of interest", "", []string{"SUCCESS"}, mail.Sent, 1},
		{"all is well", "", nil, mail.Sent, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := build(t)
			h.hop.answer = func(a mail.Address) mail.Result {
				if c.bad != "" && strings.HasSuffix(a.String(), c.bad) {
					return mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1", Message: "no such user"}
				}
				return mail.Result{Delivered: true, Code: 250}
			}
			s := h.submission("ada@dest.test", "bob@dest.test")
			for i := range s.Envelope.Rcpts {
				s.Envelope.Rcpts[i].Notify = c.notify
			}
			r, err := h.Gate.Submit(h.ctx, h.agent, s)
			if err != nil {
				t.Fatal(err)
			}
			h.approve(r.Mail)
			h.runUntil(r.Mail.ID, c.state)
			n := h.notices()
			if len(n) != c.notices {
				t.Fatalf("%d notices: %+v", len(n), n)
			}
			if c.name == "one of two fails" && (strings.Contains(n[0].Text, "bob@") ||
				!strings.Contains(n[0].Text, "550 5.1.1 no such user")) {
				t.Errorf("the notice says %s", n[0].Text)
			}
			h.intact()
		})
	}
}

// A retry sends only to who is pending, and the same octets.
func TestRetriesSendTheSameOctetsToWhoIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		tries := 0
		h.hop.answer = func(a mail.Address) mail.Result {
			if tries++; a.Local() == "bob" && tries < 3 {
				return mail.Result{Code: 450, Enhanced: "4.2.1"}
			}
			return mail.Result{Delivered: true, Code: 250}
		}
		m := h.approve(h.submit("ada@dest.test", "bob@dest.test"))
		h.runIdle()
		h.clock.Forward(time.Hour)
		h.mode(mail.Autonomous) // the stamps tell how it was released, not how it would be now
		h.runIdle()
		w := h.hop.sent()
		if len(w) != 2 || strings.Join(w[0].to, " ") != "ada@dest.test" || strings.Join(w[1].to, " ") != "bob@dest.test" ||
			w[0].b != w[1].b {
			t.Errorf("%+v", w)
		}
		if got := h.kinds(m.ID); got != "submit approve claim retry claim sent" {
			t.Errorf("entries: %s", got)
		}
	})
}

// What a dead process had claimed is sent again with the same octets; a late
// answer of the old attempt changes nothing.
func TestALostLeaseIsReadyAgain(t *testing.T) {
	h := build(t)
	m := h.approve(h.submit())
	entered, release := make(chan struct{}), make(chan struct{})
	h.hop.answer = func(mail.Address) mail.Result {
		close(entered)
		<-release
		return mail.Result{Delivered: true}
	}
	old, stopOld := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	dying := h.d
	go func() { ended <- dying.Run(old, h.ctx) }()
	<-entered

	hop2 := &hop{}
	h.d = h.delivers(h.DB, hop2, delivery.Options{Stamps: []delivery.Stamp{stamp{}}})
	h.clock.Forward(time.Minute)
	h.runUntil(m.ID, mail.Sent)
	close(release)
	stopOld()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := h.kinds(m.ID); got != "submit approve claim lapse claim sent" {
		t.Errorf("entries: %s", got)
	}
	if a, b := h.hop.sent(), hop2.sent(); len(a) != 1 || len(b) != 1 || a[0].b != b[0].b {
		t.Errorf("%v\n%v", a, b)
	}
	h.intact()
}

func TestAPanicInADeliveryHurtsOnlyItsMail(t *testing.T) {
	h := build(t)
	var once sync.Once
	h.hop.answer = func(mail.Address) mail.Result {
		once.Do(func() { panic("boom") })
		return mail.Result{Delivered: true}
	}
	a, b := h.approve(h.submit()), h.approve(h.submit())
	h.runQueue(func() bool {
		return h.mail(a.ID).State == mail.Sent && strings.Contains(h.kinds(b.ID), "retry") ||
			h.mail(b.ID).State == mail.Sent && strings.Contains(h.kinds(a.ID), "retry")
	})
	h.intact()
}

// failing is a stamp without a key.
type failing struct{}

func (failing) Stamp(context.Context, *mail.Mail, []byte) ([]byte, error) {
	return nil, errors.New("no key")
}

func TestWithoutAStampNothingLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.d = h.delivers(h.DB, h.hop, delivery.Options{Stamps: []delivery.Stamp{failing{}}})
		m := h.approve(h.submit())
		h.runIdle()
		if m = h.mail(m.ID); m.State != mail.Ready || m.Attempts != 0 || !m.NextAttempt.After(h.clock.Now()) ||
			len(h.hop.sent()) != 0 {
			t.Errorf("%s, %d attempts, next %s", m.State, m.Attempts, m.NextAttempt)
		}
	})
}

// A mailbox with much mail must not make another one wait.
func TestMailboxesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.d = h.delivers(h.DB, h.hop, delivery.Options{Workers: 1})
		h.mode(mail.Autonomous)
		for i := range 20 { // many destinations must not buy many turns
			h.submit(fmt.Sprintf("ada@d%d.test", i))
		}
		small := mail.MustAddress("small@example.test")
		h.Update(func(tx store.Tx) error {
			if _, err := h.Registry.AddMailbox(tx, h.Operator, small, []string{"bot"}); err != nil {
				return err
			}
			_, err := h.Registry.SetMode(tx, h.Operator, small, mail.Autonomous)
			return err
		})
		h.View(func(tx store.Tx) (err error) { h.agent, err = h.Registry.Current(tx, h.agent); return err })
		s := h.submission("ada@dest.test")
		s.Mailbox, s.Envelope.From = small, small
		s.Raw = []byte(strings.Replace(text, "bot@", "small@", 1))
		r, err := h.Gate.Submit(h.ctx, h.agent, s)
		if err != nil {
			t.Fatal(err)
		}
		h.runIdle()
		w := h.hop.sent()
		if len(w) != 21 || w[0].id != r.Mail.ID && w[1].id != r.Mail.ID {
			t.Errorf("%d sent, the small mailbox did not come second at the latest", len(w))
		}
	})
}

func TestAnAttemptWhoseFinalDotWentUnansweredIsMarkedInItsEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for uncertain, want := range map[bool]string{true: "true", false: ""} {
			h := build(t)
			h.hop.answer = func(mail.Address) mail.Result {
				return mail.Result{Uncertain: uncertain, Enhanced: "4.4.2", Message: "final dot: connection lost"}
			}
			m := h.approve(h.submit())
			h.runIdle()
			found := false
			h.View(func(tx store.Tx) error {
				entries, err := h.Audit.ByMail(tx, string(m.ID))
				for _, e := range entries {
					r := e.Record()
					found = found || r.Kind == audit.MailRetry
					if got := r.Facts["uncertain"]; r.Kind == audit.MailRetry && got != want {
						t.Errorf("uncertain is %q, want %q", got, want)
					}
				}
				return err
			})
			if !found {
				t.Error("no entry about the attempt")
			}
		}
	})
}
