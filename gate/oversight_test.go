package gate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// bossIsBusy delivers to everybody but the oversight address.
func bossIsBusy(a mail.Address) mail.Result {
	if a.Local() == "boss" {
		return mail.Result{Code: 451, Enhanced: "4.7.1", Message: "greylisted"}
	}
	return mail.Result{Delivered: true, Code: 250}
}

// What was delivered in monitored mode owes a copy, and the agent cannot get
// rid of it: not by cancelling, not by tightening its own mailbox.
func TestAnOversightCopyThatIsOwedIsSent(t *testing.T) {
	for _, c := range []struct {
		name string
		to   []string
		act  func(h *fixture, id mail.ID)
		want mail.State
	}{
		{"cancel", []string{"ada@dest.test"}, func(h *fixture, id mail.ID) {
			if _, err := h.Gate.Cancel(h.ctx, h.agent, id); !errors.Is(err, mail.ErrStale) {
				h.Errorf("the agent cancelled: %v", err)
			}
		}, mail.Sent},
		{"tighten", []string{"ada@dest.test"}, func(h *fixture, id mail.ID) {
			if _, err := h.Gate.SetMode(h.ctx, h.agent, h.box, mail.GatedAll); err != nil {
				h.Fatal(err)
			}
		}, mail.Sent},
		{"tighten with one recipient left", []string{"ada@dest.test", "later@dest.test"}, func(h *fixture, id mail.ID) {
			if _, err := h.Gate.SetMode(h.ctx, h.agent, h.box, mail.GatedAll); err != nil {
				h.Fatal(err)
			}
		}, mail.Held},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				h.mode(mail.Monitored)
				h.hop.answer = func(a mail.Address) mail.Result {
					if a.Local() == "later" {
						return mail.Result{Code: 451}
					}
					return bossIsBusy(a)
				}
				m := h.submit(c.to...)
				h.runIdle()
				c.act(h, m.ID)
				h.hop.answer = nil
				h.clock.Forward(time.Hour)
				h.runIdle()
				last := h.hop.sent()[len(h.hop.sent())-1]
				if strings.Join(last.to, " ") != "boss@example.test" || last.b != h.hop.sent()[0].b {
					t.Errorf("the copy was not sent, or not alone: %v", last.to)
				}
				h.clock.Forward(time.Hour)
				h.runIdle()
				if got := h.mail(m.ID).State; got != c.want {
					t.Errorf("the mail is %s, want %s", got, c.want)
				}
				h.intact()
			})
		})
	}
}

func TestARetryInAMailboxThatBecameMonitoredIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.mode(mail.Autonomous)
		h.hop.answer = func(mail.Address) mail.Result { return mail.Result{Code: 451} }
		m := h.submit()
		h.runIdle()
		h.mode(mail.Monitored)
		h.hop.answer = nil
		h.clock.Forward(time.Hour)
		h.runIdle()
		if got := strings.Join(h.hop.sent()[0].to, " "); got != "ada@dest.test boss@example.test" {
			t.Errorf("sent to %s", got)
		}
		if h.mail(m.ID).State != mail.Sent {
			t.Error("not sent")
		}
	})
}

// The oversight address is not given up at its first refusal.
func TestARefusedCopyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.mode(mail.Monitored)
		h.hop.answer = func(a mail.Address) mail.Result {
			if a.Local() == "boss" {
				return mail.Result{Permanent: true, Code: 550}
			}
			return mail.Result{Delivered: true}
		}
		m := h.submit()
		h.runIdle()
		if got := h.mail(m.ID); got.State != mail.Ready || got.Attempts != 1 {
			t.Fatalf("%s after %d attempts", got.State, got.Attempts)
		}
		h.hop.answer = nil
		h.clock.Forward(time.Hour)
		h.runIdle()
		if h.mail(m.ID).State != mail.Sent {
			t.Error("not sent")
		}
	})
}

// panicky is a stamp with a bug.
type panicky struct{}

func (panicky) Stamp(context.Context, *mail.Mail, []byte) ([]byte, error) { panic("boom") }

func TestAPanicInAStampIsThatMailsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.d = h.delivers(h.DB, h.hop, delivery.Options{Stamps: []delivery.Stamp{panicky{}}})
		m := h.approve(h.submit())
		h.runIdle()
		if got := h.mail(m.ID); got.State != mail.Ready || !got.NextAttempt.After(h.clock.Now()) {
			t.Errorf("%s, next %s", got.State, got.NextAttempt)
		}
	})
}

// One damaged record stops neither expiry nor the start.
func TestADamagedRecordStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		bad, good := h.submit(), h.submit()
		h.Update(func(tx store.Tx) error { return storetest.Records(tx).Put("mail/"+string(bad.ID), []byte("{")) })
		h.clock.Forward(8 * 24 * time.Hour)
		if err := h.Gate.Expire(h.ctx); err != nil {
			t.Error(err)
		}
		if got := h.mail(good.ID).State; got != mail.Expired {
			t.Errorf("the other is %s", got)
		}
		h.Update(func(tx store.Tx) error {
			return storetest.Records(tx).Put("lease/0000000000000000/"+string(bad.ID), nil)
		})
		h.runIdle()
	})
}

func TestHoldingAScheduledMailThatIsLateGivesTimeToDecide(t *testing.T) {
	h := build(t)
	s := h.submission("ada@dest.test")
	s.NotBefore = h.clock.Now().Add(time.Hour)
	r, err := h.Gate.Submit(h.ctx, h.agent, s)
	if err != nil {
		t.Fatal(err)
	}
	h.approve(r.Mail)
	h.clock.Forward(3 * time.Hour)
	m, err := h.Gate.Hold(h.ctx, h.admin, r.Mail.ID)
	if err != nil || !m.ExpiresAt.After(h.clock.Now()) {
		t.Fatalf("%v, expires %s", err, m.ExpiresAt)
	}
	h.approve(m)
}

// Naming the oversight address oneself is no way around it, in any spelling.
func TestNamingTheOversightAddressShedsNothing(t *testing.T) {
	for _, boss := range []string{"boss@example.test", "BOSS@example.test"} {
		t.Run(boss, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				h.mode(mail.Monitored)
				h.hop.answer = func(a mail.Address) mail.Result {
					if a.Local() == "BOSS" {
						return mail.Result{Permanent: true, Code: 550}
					}
					return bossIsBusy(a)
				}
				m := h.submit("ada@dest.test", boss)
				h.runIdle()
				if _, err := h.Gate.Cancel(h.ctx, h.agent, m.ID); !errors.Is(err, mail.ErrStale) {
					t.Errorf("the agent cancelled: %v", err)
				}
				h.hop.answer = nil
				h.clock.Forward(time.Hour)
				h.runIdle()
				last := h.hop.sent()[len(h.hop.sent())-1]
				if strings.Join(last.to, " ") != "boss@example.test" || h.mail(m.ID).State != mail.Sent {
					t.Errorf("%v, %s", last.to, h.mail(m.ID).State)
				}
			})
		})
	}
}
